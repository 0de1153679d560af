/**
 * What clients are called: by /etc/hosts, by leases of DHCP servers on this machine, or by the system's
 * resolver, so by mDNS where nsswitch.conf has it. Nothing waits for a name: `nameOf` says what is known
 * now, and looks further in the background, a little at a time.
 */
import { lookupService } from 'node:dns/promises';
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import { dirname, join } from 'node:path';
import {
  deviceName,
  dhcpdLeases,
  dnsmasqLeases,
  type Format,
  hostsFile,
  keaLeases,
} from './lease-files.js';

interface Source {
  /** `*` in the last part stands for anything. */
  path: string;
  format: Format;
}

/** What is named by a later one keeps that name. */
const SOURCES: readonly Source[] = [
  { path: '/var/lib/kea/kea-leases6.csv*', format: keaLeases },
  { path: '/var/lib/kea/kea-leases4.csv*', format: keaLeases },
  { path: '/var/lib/dhcp/dhcpd.leases', format: dhcpdLeases },
  { path: '/tmp/hosts/odhcpd*', format: hostsFile },
  { path: '/var/lib/NetworkManager/dnsmasq-*.leases', format: dnsmasqLeases },
  { path: '/tmp/dhcp.leases', format: dnsmasqLeases },
  { path: '/var/lib/dnsmasq/dnsmasq.leases', format: dnsmasqLeases },
  { path: '/var/lib/misc/dnsmasq.leases', format: dnsmasqLeases },
  { path: '/etc/hosts', format: hostsFile },
];

/** Of each file the end, where the newest leases are. */
const BYTES_MOST = 4 << 20;
const FILES_MOST = 16;
const NAMES_MOST = 20_000;
const FILES_KEPT_MS = 30_000;

/** Answers of the resolver, also that there is no name. */
const ANSWERS_MOST = 4096;
const ANSWER_KEPT_MS = 10 * 60_000;
const WAITING_MOST = 256;
/** One after the other: a resolver that hangs holds one thread of Node's few, and no second one. */
const BETWEEN_MS = 400;

/** Others are not asked about: their names are not the network's, and the question would leave it. */
const LOCAL = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
] as const)
  LOCAL.addSubnet(network, prefix, 'ipv4');
LOCAL.addSubnet('fc00::', 7, 'ipv6');

const isLocal = (address: string) =>
  isIP(address) !== 0 && LOCAL.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

export interface DeviceNamesOptions {
  /** Where the files are, for tests. */
  root?: string;
  /** The system's; its answer may be the address itself. */
  resolve?: (address: string) => Promise<string>;
  now?: () => number;
}

const system = async (address: string) => (await lookupService(address, 0)).hostname;

export class DeviceNames {
  readonly #root: string;
  readonly #resolve: (address: string) => Promise<string>;
  readonly #now: () => number;
  #files: ReadonlyMap<string, string> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading = false;
  /** In the order in which they were asked. */
  readonly #answers = new Map<string, { name?: string; at: number }>();
  readonly #waiting = new Set<string>();
  #asking = false;
  #ended = false;

  constructor({ root = '/', resolve = system, now = Date.now }: DeviceNamesOptions = {}) {
    this.#root = root;
    this.#resolve = resolve;
    this.#now = now;
  }

  /** A resolver has yet to answer; Node does not end before it has. */
  get isAsking(): boolean {
    return this.#asking;
  }

  /** What is known now. @param address of a client, as the engine writes it. */
  nameOf(address: string): string | undefined {
    if (this.#now() - this.#readAt > FILES_KEPT_MS) void this.#readFiles();
    const name = this.#files.get(address);
    if (name !== undefined) return name;
    const answer = this.#answers.get(address);
    if (answer === undefined || this.#now() - answer.at > ANSWER_KEPT_MS) this.#ask(address);
    return answer?.name;
  }

  /** Asks nobody any more. */
  end(): void {
    this.#ended = true;
    this.#waiting.clear();
  }

  #ask(address: string): void {
    if (this.#ended || !isLocal(address) || this.#waiting.size >= WAITING_MOST) return;
    this.#waiting.add(address);
    if (!this.#asking) void this.#askNext();
  }

  async #askNext(): Promise<void> {
    const [address] = this.#waiting;
    if (address === undefined) return;
    this.#asking = true;
    const found = await this.#resolve(address).catch(() => '');
    const name = found === address ? undefined : deviceName(found);
    this.#waiting.delete(address);
    this.#answers.delete(address);
    this.#answers.set(address, { at: this.#now(), ...(name !== undefined && { name }) });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= ANSWERS_MOST) break;
      this.#answers.delete(oldest);
    }
    this.#asking = false;
    if (this.#waiting.size > 0) setTimeout(() => void this.#askNext(), BETWEEN_MS).unref();
  }

  async #readFiles(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const names = new Map<string, string>();
    for (const { path, format } of SOURCES)
      for (const file of await filesOf(join(this.#root, path)))
        for (const [address, text] of format(await readEnd(file))) {
          const name = deviceName(text);
          if (name !== undefined && (names.size < NAMES_MOST || names.has(address)))
            names.set(address, name);
        }
    this.#files = names;
    this.#readAt = this.#now();
    this.#reading = false;
  }
}

/** Those that are there, in the order of their names. */
async function filesOf(path: string): Promise<string[]> {
  if (!path.includes('*')) return [path];
  const folder = dirname(path);
  const [first = '', last = ''] = path.slice(folder.length + 1).split('*');
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => name.startsWith(first) && name.endsWith(last))
    .toSorted()
    .slice(0, FILES_MOST)
    .map((name) => join(folder, name));
}

/** A FIFO without a writer would hold up a thread. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** Nothing where it cannot be read, or is no ordinary file. */
async function readEnd(path: string): Promise<string> {
  const file = await open(path, FLAGS).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return '';
    const length = Math.min(stat.size, BYTES_MOST);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, stat.size - length);
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    return '';
  } finally {
    await file.close();
  }
}
