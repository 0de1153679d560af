/** Command line → machines and ways → a measured document. */
import { existsSync } from 'node:fs';
import type { BenchDocument } from '../../bench/document.js';
import { addressesQuery } from '../../bench/facts.js';
import { showBytes } from '../../bench/figures.js';
import { LAB_DIRECT_PORTS, LAB_VARIANTS, type LabVariantName } from '../../bench/lab-variants.js';
import {
  type BenchPlan,
  bulkSeconds,
  type Family,
  planBench,
  serverPorts,
  type Target,
  TEST_KINDS,
  type TestKind,
  type Way,
} from '../../bench/plan.js';
import { type BenchPoints, canProbe, type Point } from '../../bench/points.js';
import { askPoint, Bench } from '../../bench/run.js';
import { BenchLab, LAB_ADDRESSES } from '../../bench/run-lab.js';
import { SidetrackError } from '../../error.js';
import { connect } from '../../hosts/connect.js';
import { ask, type Host } from '../../hosts/host.js';
import { configPath } from '../context.js';
import { count } from '../count.js';
import { version } from '../package.js';
import {
  type BenchCommandOptions,
  familyOf,
  readAddresses,
  readDirect,
  readFamilies,
  readHost,
  readServer,
  readTests,
  readVariants,
} from './options.js';
import { benchProgress } from './progress.js';

type Options = BenchCommandOptions & { seed: number };
type Addresses = Partial<Record<Family, string>>;

interface Measuring {
  points: BenchPoints;
  /** Ways between which the set-up is changed are of different groups. */
  groups: readonly (readonly Way[])[];
  change?: (way: string) => Promise<void>;
  notes: readonly string[];
}

export async function measureInLab(options: Options, signal: AbortSignal): Promise<BenchDocument> {
  const names = readVariants(options);
  const lab = await BenchLab.start();
  try {
    await lab.change(names[0]!);
    const client = await askPoint('client', await lab.host('client'), LAB_ADDRESSES[4]);
    const server = await askPoint('server', await lab.host('internet'), '');
    const measuring = {
      points: { client, server, observed: [] },
      groups: groupsOf(names).map((group) => group.map((name) => labWay(name, options))),
      change: (way: string) => lab.change(names.find((name) => name === way)!),
      notes: ['the whole lab is one machine; its processor time stands under client'],
    };
    return await measure(measuring, options, signal);
  } finally {
    lab.stop();
  }
}

/** Those that need no change of the set-up together. */
function groupsOf(names: readonly LabVariantName[]): LabVariantName[][] {
  const isPlain = (name: LabVariantName) => name === 'direct' || name === 'steered';
  const plain = names.filter(isPlain);
  const others = names.filter((name) => !isPlain(name)).map((name) => [name]);
  return plain.length > 0 ? [plain, ...others] : others;
}

function labWay(name: LabVariantName, options: Options): Way {
  const [port, second] = LAB_DIRECT_PORTS;
  const ports =
    name === 'direct'
      ? { iperf3: [port], echo: second }
      : serverPorts(options.port, options.streams);
  const { description } = LAB_VARIANTS[name];
  return { name, description, targets: targetsOf(LAB_ADDRESSES, options, ports) };
}

interface Ports {
  iperf3: readonly number[];
  echo?: number;
}

function targetsOf(
  addresses: Addresses,
  options: Options,
  { iperf3, echo }: Ports,
): Way['targets'] {
  const wanted = readFamilies(options);
  const targets: Partial<Record<Family, Target>> = {};
  for (const family of wanted) {
    const address = addresses[family];
    const isEchoed = echo !== undefined && kindsOf(options).some((kind) => PROBED.includes(kind));
    if (address !== undefined)
      targets[family] = { address, ports: iperf3, ...(isEchoed && { echo }) };
  }
  return targets;
}

const PROBED: readonly TestKind[] = ['parallel', 'latency', 'connections'];

const kindsOf = ({ tests }: BenchCommandOptions): readonly TestKind[] =>
  tests === undefined ? TEST_KINDS : readTests(tests);

export async function measureHere(options: Options, signal: AbortSignal): Promise<BenchDocument> {
  const place = readServer(options.server ?? '');
  const direct = options.direct === undefined ? undefined : readDirect(options.direct);
  const far = 'host' in place ? await connect(place.host) : undefined;
  const addresses = far ? await addressesOf(far, options) : runningAddresses(place);
  const near = await connect(readHost(options.client ?? 'local'));
  const towards = Object.values(addresses).find(familyOf) ?? '';
  const client = await askPoint('client', near, towards);
  const server = far && (await askPoint('server', far, ''));
  const { observed, notes } = await observedHosts(options);
  const port = 'running' in place ? place.running.port : options.port;
  const own: Ports = server ? serverPorts(port, options.streams) : { iperf3: [port] };
  const steered: Way = {
    name: direct ? 'steered' : 'path',
    description: `${near.address} → ${Object.values(addresses).join(', ')}, port ${port}`,
    targets: targetsOf(addresses, options, own),
  };
  const ways = direct ? [directWay(direct, addresses, options, near, server), steered] : [steered];
  const points = { client, ...(server && { server }), observed };
  return measure({ points, groups: [ways], notes }, options, signal);
}

/** A name may have both families; those that it has not are found out by trying. */
function runningAddresses(place: ReturnType<typeof readServer>): Addresses {
  const address = 'running' in place ? place.running.address : '';
  return bothFamilies(address);
}

function bothFamilies(address: string): Addresses {
  const family = familyOf(address);
  return family === undefined ? { 4: address, 6: address } : { [family]: address };
}

async function addressesOf(server: Host, { address }: Options): Promise<Addresses> {
  if (address !== undefined) return readAddresses(address);
  const { addresses } = await ask(server, { addresses: addressesQuery });
  if (Object.keys(addresses).length > 0) return addresses;
  throw new SidetrackError(`${server.address} says no address by which a client may reach it`, {
    code: 'bench-address',
    source: 'host',
    hint: 'name it: --address 192.0.2.1,2001:db8::1',
  });
}

function directWay(
  { address, ports: [port = 0, echo] }: { address?: string; ports: number[] },
  addresses: Addresses,
  options: Options,
  near: Host,
  server: Point | undefined,
): Way {
  const own = address === undefined ? addresses : bothFamilies(address);
  const isEchoed = server !== undefined && echo !== undefined;
  return {
    name: 'direct',
    description: `${near.address} → ${[...new Set(Object.values(own))].join(', ')}, port ${port}`,
    targets: targetsOf(own, options, { iperf3: [port], ...(isEchoed && { echo }) }),
  };
}

/** Router and servers of the configuration; one that cannot be asked is no reason not to measure. */
async function observedHosts(options: Options): Promise<{ observed: Point[]; notes: string[] }> {
  const path = configPath(options);
  if (options.config === undefined && !existsSync(path)) return { observed: [], notes: [] };
  const { loadConfig } = await import('../../config/load.js');
  const config = await loadConfig(path);
  const observed: Point[] = [];
  const notes: string[] = [];
  const hosts = [{ name: 'router', host: config.router.host }, ...config.servers];
  for (const { name, host } of hosts) {
    try {
      observed.push(await askPoint(name, await connect(host), ''));
    } catch (error) {
      notes.push(`${name} was not asked: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { observed, notes };
}

async function measure(
  { points, groups, change, notes }: Measuring,
  options: Options,
  signal: AbortSignal,
): Promise<BenchDocument> {
  const progress = benchProgress();
  const at = new Date().toISOString();
  const { maxBytes } = options;
  const bench = new Bench(points, {
    ...{ signal, progress },
    ...(change && { change }),
    ...(maxBytes !== undefined && { maxBytes }),
  });
  try {
    const [first = [], ...others] = canProbe(points)
      ? groups
      : groups.map((group) => group.map(silent));
    progress.say(points.server ? 'starting iperf3 on the server' : 'trying the server');
    await bench.startServers([first, ...others].flat());
    const tried = await bench.tryOut(first);
    const plan = planBench([tried.ways, ...others], planOptions(options));
    const remarks = [...notes, ...tried.notes, ...versionNotes(points), ...plan.notes];
    for (const note of remarks) progress.say(`note: ${note}`);
    progress.say(announcement(plan, tried.rate, options));
    const result = await bench.run(plan);
    const about = { sidetrack: version(), at, prober: proberWords(points) };
    const all = {
      ...result,
      notes: [...notes, ...tried.notes, ...versionNotes(points), ...result.notes],
    };
    return bench.document(plan, all, about);
  } finally {
    progress.end();
    await bench.end();
  }
}

function silent(way: Way): Way {
  const targets: Partial<Record<Family, Target>> = {};
  for (const family of [4, 6] as const) {
    const target = way.targets[family];
    if (target !== undefined) targets[family] = { address: target.address, ports: target.ports };
  }
  return { ...way, targets };
}

function planOptions(options: Options) {
  const { streams, duration: seconds, runs, order, seed } = options;
  const isExplicit = options.tests !== undefined || options.family !== undefined;
  return { kinds: kindsOf(options), allFamilies: isExplicit, streams, seconds, runs, order, seed };
}

const SECONDS_IN_MINUTE = 60;

function announcement(plan: BenchPlan, rate: number, { maxBytes }: Options): string {
  const minutes = plan.seconds / SECONDS_IN_MINUTE;
  const time = minutes < 2 ? `${Math.ceil(plan.seconds)} s` : `${minutes.toFixed(1)} minutes`;
  const bytes = showBytes((bulkSeconds(plan) * rate) / 8);
  const most = maxBytes === undefined ? '' : `, ends at ${showBytes(maxBytes)}`;
  return `${count(plan.turns.length, 'run')}, about ${time}; at the rate of the first try about ${bytes} are moved${most}; Ctrl-C ends it and shows what there is`;
}

function versionNotes({ client, server }: BenchPoints): string[] {
  const [one, other] = [client.facts.iperf3, server?.facts.iperf3];
  if (one === undefined || other === undefined || one === other) return [];
  return [
    `iperf3 is ${one} on the client and ${other} on the server; from 3.16 on each flow has a thread of its own, so figures of many flows are not those of older ones`,
  ];
}

function proberWords(points: BenchPoints): string {
  const { client, server } = points;
  const [near, far] = [client.facts.interpreters[0], server?.facts.interpreters[0]];
  if (canProbe(points))
    return `latency: 64 bytes from end to end and back, at most every 10 ms, by a small program (${near} on the client, ${far} on the server)`;
  const reason = server
    ? `no node, python3 or perl with Time::HiRes on the ${near === undefined ? 'client' : 'server'}`
    : 'the server is not ours to start a program on';
  return `latency is not measured from end to end (${reason}); the RTT is iperf3's, of the sender's TCP, which on a steered way ends at the relay`;
}
