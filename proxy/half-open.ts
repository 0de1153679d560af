/**
 * Handshakes that stay half open, as /proc/net/tcp and tcp6 tell of them (proc_net_tcp in the kernel's
 * documentation): a SYN has come, and nothing answers our SYN-ACK.
 */
import * as ffi from './ffi.js';

export interface HalfOpen {
  /** Where the client wanted to go, or our port, depending on the capture. */
  local: { address: string; port: number };
  client: string;
}

const SYN_RECV = '03';
/** SYN-ACKs sent again by the clock: after one second and after three. */
const TIMES = 2;

/** `0101A8C0`: 32-bit words in the machine's order, which is little-endian. */
function bytesOf(hex: string): number[] {
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8)
    for (let at = word + 6; at >= word; at -= 2)
      bytes.push(Number.parseInt(hex.slice(at, at + 2), 16));
  return bytes;
}

/** In full, so that the same address is the same text; IPv4 in IPv6 is IPv4. */
function addressOf(hex: string): string {
  const bytes = bytesOf(hex);
  const isMapped =
    bytes.length === 16 && bytes.every((one, i) => i > 11 || one === (i < 10 ? 0 : 0xff));
  if (bytes.length === 4 || isMapped) return bytes.slice(-4).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  return new URL(`http://[${groups.map((one) => one.toString(16)).join(':')}]`).hostname.slice(
    1,
    -1,
  );
}

function endpointOf(text: string): { address: string; port: number } {
  const [address = '', port = ''] = text.split(':');
  return { address: addressOf(address), port: Number.parseInt(port, 16) };
}

/** @param text of these files, or only some of its lines. */
export function halfOpenHandshakes(text: string): HalfOpen[] {
  return text.split('\n').flatMap((line) => {
    // Most are other sockets; there may be a hundred thousand of them.
    if (!line.includes(` ${SYN_RECV} `)) return [];
    const [, local = '', remote = '', state, , , retransmits = ''] = line.trim().split(/\s+/);
    if (state !== SYN_RECV || !(Number.parseInt(retransmits, 16) >= TIMES)) return [];
    return [{ local: endpointOf(local), client: endpointOf(remote).address }];
  });
}

/** Mostly there are none; a flood may have more than fit into the most, and is one all the same. */
const LINES_FEW = 1 << 14;
const LINES_MOST = 1 << 20;

/**
 * Reads both files in a thread of its own, for there is a line for each connection of the machine.
 * @param directory such as /proc/net
 */
export async function readHalfOpen(directory: string, room = LINES_FEW): Promise<HalfOpen[]> {
  const lines = Buffer.alloc(room);
  const needed = await ffi.halfOpen(Buffer.from(directory), lines);
  if (needed > room && room < LINES_MOST) return readHalfOpen(directory, LINES_MOST);
  return halfOpenHandshakes(lines.toString('latin1', 0, Math.max(Math.min(needed, room), 0)));
}
