/** What stands on the command line of `sidetrack bench`, read and checked. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type LabVariantName, parseLabVariants } from '../../bench/lab-variants.js';
import { FAMILIES, type Family, MOST, TEST_KINDS, type TestKind } from '../../bench/plan.js';
import { ORDERS, type Order } from '../../bench/schedule.js';
import { familyOf as familyOfAddress, parseAddress } from '../../config/address.js';
import { type HostAddress, parseHostAddress } from '../../config/host-address.js';
import { SidetrackError } from '../../error.js';
import type { CommonOptions } from '../context.js';

export interface BenchCommandOptions extends CommonOptions {
  client?: string;
  server?: string;
  address?: string;
  direct?: string;
  lab?: true;
  variants?: string;
  tests?: string;
  family?: string;
  port: number;
  streams: number;
  duration: number;
  runs: number;
  order: Order;
  seed?: number;
  maxBytes?: number;
  html?: string;
  compare?: string;
  failIfSlower?: true;
}

const whole =
  (most: number, least = 1) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It has to be a whole number from ${least} to ${most}.`);
  };

const BYTES: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

function bytesOf(text: string): number {
  const [, number, unit = ''] = /^(\d{1,9})([kMGT]?)$/.exec(text) ?? [];
  if (number !== undefined && Number(number) > 0) return Number(number) * BYTES[unit]!;
  throw new InvalidArgumentError('It has to be a number of bytes, such as 500M or 20G.');
}

const DEFAULT_PORT = 5201;
const HIGHEST_PORT = 65_535;

export function withBenchOptions(bench: Command): Command {
  return bench
    .option(
      '--client <host>',
      'where traffic begins: local, netns://name, ssh://user@host (default: local)',
    )
    .option(
      '--server <host>',
      'where it ends: local, netns://name, ssh://user@host, where an iperf3 server is started and ended; or host[:port], where one runs',
    )
    .option(
      '--address <list>',
      'by which addresses the client reaches the server (default: its first of each family)',
    )
    .option(
      '--direct <host:port>',
      'a second way that the policy does not steer: another address or port of the server; :port[,port] is the same address, the second port for latency',
    )
    .option('--lab', 'make a lab, steer in it, and measure there; needs nothing else')
    .option(
      '--variants <list>',
      'in the lab: direct, steered, tproxy, ebpf, no-splice (default: direct,steered)',
    )
    .option('--tests <list>', `of ${TEST_KINDS.join(', ')} (default: all)`)
    .addOption(
      new Option('--family <family>', 'only IPv4 or only IPv6 (default: both)').choices(['4', '6']),
    )
    .option(
      '--port <port>',
      'TCP port of the iperf3 server that is started; the next ones are used, too',
      whole(HIGHEST_PORT),
      DEFAULT_PORT,
    )
    .option('--streams <number>', 'flows at a time in the parallel test', whole(MOST.streams), 8)
    .option('--duration <seconds>', 'length of a run', whole(MOST.seconds), 2)
    .option(
      '--runs <number>',
      'runs of each test that count; one more comes first and is discarded',
      whole(MOST.runs),
      5,
    )
    .addOption(
      new Option(
        '--order <order>',
        'of runs that are compared: they take turns (A B, B A), or are drawn',
      )
        .choices(ORDERS)
        .default('abba'),
    )
    .option(
      '--seed <number>',
      'with --order random: the same seed draws the same order (default: a new one)',
      whole(999_999_999, 0),
    )
    .option('--max-bytes <bytes>', 'end early when so many have been moved: 500M, 20G', bytesOf)
    .option('--html <file>', 'write a report that any browser shows, also offline')
    .option('--compare <file>', 'judge against an earlier result of --json')
    .option('--fail-if-slower', 'exit 1 where that comparison finds anything worse');
}

/** A place where we can start programs, or a server of somebody else. */
export type ServerPlace = { host: HostAddress } | { running: { address: string; port: number } };

const usage = (message: string, hint: string) =>
  new SidetrackError(message, { code: 'bench-usage', source: 'user', hint });

export function readHost(text: string): HostAddress {
  const host = parseHostAddress(text);
  if ('message' in host) throw usage(host.message, host.hint ?? '');
  return host;
}

/** `host`, `host:port`, `[v6]:port` or an IPv6 address. */
function readPlace(text: string): { address: string; port?: number } | undefined {
  const [, bracketed, plain, port] =
    /^(?:\[([^\]]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? (familyOf(text) === 6 ? text : undefined);
  const isName =
    address !== undefined && /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(address);
  if (address === undefined || !(isName || familyOf(address) !== undefined)) return undefined;
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= HIGHEST_PORT)) return undefined;
  return { address, ...(port !== undefined && { port: Number(port) }) };
}

/** Undefined for a name. */
export function familyOf(text: string): Family | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : familyOfAddress(address);
}

export function readServer(text: string): ServerPlace {
  if (text === 'local' || text.includes('://')) return { host: readHost(text) };
  const place = readPlace(text);
  if (place === undefined)
    throw usage(
      `"${text}" is no server`,
      'write ssh://user@host, netns://name or local, where one is started; or host[:port], where one runs',
    );
  return { running: { address: place.address, port: place.port ?? DEFAULT_PORT } };
}

export interface DirectPlace {
  /** Absent where it is the server's own. */
  address?: string;
  ports: number[];
}

/** The second port is for the prober. */
export function readDirect(text: string): DirectPlace {
  const [, rest = '', second] = /^(.*?)(?:,(\d{1,5}))?$/.exec(text) ?? [];
  const own = /^:(\d{1,5})$/.exec(rest)?.[1];
  const place = own === undefined ? readPlace(rest) : { port: Number(own) };
  const ports = [place?.port, second === undefined ? undefined : Number(second)];
  const known = ports.flatMap((port) => port ?? []);
  if (place?.port === undefined || known.some((port) => port < 1 || port > HIGHEST_PORT))
    throw usage(
      `"${text}" is no second way`,
      'write host:port, or :port for another port of the same server',
    );
  return { ...('address' in place && { address: place.address }), ports: known };
}

const words = (text: string): string[] => text.split(',').map((one) => one.trim());

export function readAddresses(text: string): Partial<Record<Family, string>> {
  const found: Partial<Record<Family, string>> = {};
  for (const word of words(text)) {
    const family = familyOf(word);
    if (family === undefined || found[family] !== undefined)
      throw usage(
        family === undefined
          ? `"${word}" is no address`
          : `there are two addresses of IPv${family}`,
        'write one of a family, or both: --address 192.0.2.1,2001:db8::1',
      );
    found[family] = word;
  }
  return found;
}

export function readTests(text: string): TestKind[] {
  return [...new Set(words(text))].map((word) => {
    const kind = TEST_KINDS.find((one) => one === word);
    if (kind !== undefined) return kind;
    throw usage(`there is no test "${word}"`, `choose of ${TEST_KINDS.join(', ')}`);
  });
}

export const readFamilies = ({ family }: Pick<BenchCommandOptions, 'family'>): readonly Family[] =>
  FAMILIES.filter((one) => family === undefined || family === String(one));

export const readVariants = ({
  variants = 'direct,steered',
}: BenchCommandOptions): LabVariantName[] => parseLabVariants(words(variants));

/** What does not fit together. */
export function checkBenchOptions(options: BenchCommandOptions): void {
  const { lab, client, server, address, direct, variants, compare, failIfSlower } = options;
  const outside = Object.entries({ client, server, address, direct }).find(([, value]) => value);
  if (lab && outside)
    throw usage(
      `--lab has its own client and server, so --${outside[0]} means nothing`,
      'leave one of the two out',
    );
  if (!lab && server === undefined)
    throw usage(
      'where does the traffic end?',
      'name a server: --server ssh://user@host, or host[:port] where iperf3 runs; or try all of it: --lab',
    );
  if (!lab && variants !== undefined)
    throw usage(
      '--variants changes the set-up, which bench does in its lab alone',
      'add --lab; on a set-up of yours compare with --direct, or before and after with --compare',
    );
  if (failIfSlower && compare === undefined)
    throw usage('--fail-if-slower needs something to be slower than', 'add --compare FILE');
}
