/** What the kernel says of a network interface in this network namespace. */
import { readFileSync } from 'node:fs';
import { ClassifierError } from './error.js';
import { call, check, closeDescriptor } from './ffi.js';

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCGIFHWADDR = 0x8927n;
const ARPHRD_ETHER = 1;
/** `struct ifreq`: the name in 16 bytes, then here the link address with its type. */
const IFREQ_SIZE = 40;
const IFREQ_TYPE = 16;

/** Index of an interface, or nothing if it does not exist. */
export function findInterface(name: string): number | undefined {
  const index = call('if_nametoindex', name);
  return index === 0 ? undefined : index;
}

/** All interfaces of this network namespace; /sys/class/net is another one's below nsenter(1). */
export function listInterfaces(): { name: string; ifindex: number }[] {
  const lines = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2);
  const names = lines.flatMap((line) => line.split(':')[0]?.trim() || []);
  return names.flatMap((name) => {
    const ifindex = findInterface(name);
    return ifindex === undefined ? [] : [{ name, ifindex }];
  });
}

/** @throws ClassifierError unless it exists and carries Ethernet frames. */
export function requireEthernet(name: string): number {
  const index = findInterface(name);
  if (index === undefined) {
    throw new ClassifierError(`there is no interface "${name}"`, {
      code: 'interface-missing',
      source: 'host',
      hint: 'see: ip -br link',
    });
  }
  if (linkType(name) !== ARPHRD_ETHER) {
    throw new ClassifierError(`"${name}" carries no Ethernet frames`, {
      code: 'interface-not-ethernet',
      source: 'user',
      hint: 'write classifier: nftables for tunnels and PPP',
    });
  }
  return index;
}

function linkType(name: string): number {
  const socket = check('socket', AF_INET, SOCK_DGRAM, 0);
  try {
    const request = Buffer.alloc(IFREQ_SIZE);
    request.write(name, 0, 15);
    check('ioctl', socket, SIOCGIFHWADDR, request);
    return request.readUInt16LE(IFREQ_TYPE);
  } finally {
    closeDescriptor(socket);
  }
}
