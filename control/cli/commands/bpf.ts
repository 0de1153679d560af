/** The eBPF classifier by hand, on the router itself: what the steps of a plan are made of. */
import type { Command } from 'commander';
import { attachClassifier, detachClassifier, tryClassifier } from '../../../bpf/classifier.js';
import { showClassifier } from '../../../bpf/state.js';
import { type ClassifierStats, readStats } from '../../../bpf/stats.js';
import { connect } from '../../hosts/connect.js';
import { attachOptions } from '../../policy/attach-options.js';
import { parseSpec } from '../../policy/classifier-spec.js';
import { lossOf } from '../../resources/classifier.js';
import { asSidetrackError, CLASSIFIER_OBJECT, throwSidetrackError } from '../classifier.js';
import { action, type CommonOptions, command, withJson } from '../context.js';
import { handOverToNftables, nftablesFlows } from '../flow-handover.js';
import { EXIT_FAILED, EXIT_OK, print, printJson, table } from '../output.js';
import { serverTable } from '../server-output.js';
import { readStandardInput } from '../standard-input.js';

interface BpfOptions extends CommonOptions {
  directory?: string;
  object?: string;
}

interface AttachCommandOptions extends BpfOptions {
  dryRun?: boolean;
  digest?: string;
  takeOver?: boolean;
}

interface DetachCommandOptions extends BpfOptions {
  handOver?: boolean;
}

export function bpfCommand(): Command {
  const bpf = command('bpf', 'Run the eBPF classifier by hand, on the router itself', [
    'sudo sidetrack bpf show',
    'sudo sidetrack bpf stats --json',
  ]);
  for (const sub of [attachCommand(), detachCommand(), showCommand(), statsCommand()])
    bpf.addCommand(sub);
  return bpf;
}

function withDirectory(target: Command): Command {
  return withJson(target)
    .option(
      '--directory <path>',
      'directory of the pins, in a BPF file system (default: the one that apply uses on this machine)',
    )
    .option('--object <file>', 'object file of the program (default: the one of this build)');
}

const here = () => connect({ kind: 'local' });

/** Nothing is asked where the option says it. */
const directoryOf = async ({ directory }: BpfOptions) => directory ?? (await here()).bpfDirectory;

function attachCommand(): Command {
  const attach = command(
    'attach',
    'Attach the classifier with the specification on standard input',
    [
      'sudo sidetrack bpf attach < specification.json',
      'sudo sidetrack bpf attach --dry-run < specification.json    # load it, change nothing',
    ],
  );
  return withDirectory(attach)
    .option('--dry-run', 'load and verify it, change nothing')
    .option('--digest <text>', 'a name for this specification, which show prints')
    .option('--take-over', 'take over the live flows of the nftables classifier')
    .action(action(runAttach));
}

async function runAttach(options: AttachCommandOptions): Promise<undefined> {
  const { dryRun = false, digest, takeOver = false } = options;
  const attach = attachOptions(parseSpec(await readStandardInput()), {
    directory: await directoryOf(options),
    object: options.object ?? CLASSIFIER_OBJECT,
    ...(digest !== undefined && { digest }),
    ...(takeOver && { takeOver: async () => nftablesFlows(await here()) }),
  });
  if (dryRun) asSidetrackError(() => tryClassifier(attach));
  else await attachClassifier(attach).catch(throwSidetrackError);
  const { interfaces, policy } = attach;
  if (options.json) printJson({ changed: !dryRun, interfaces, rules: policy.rules.length });
  else
    print(
      `${dryRun ? 'Could be attached to' : 'Attached to'} ${interfaces.join(', ')}: ${policy.rules.length} rules and guards.`,
    );
}

function detachCommand(): Command {
  const detach = command(
    'detach',
    'Detach the classifier from every interface and remove its flow table',
    ['sudo sidetrack bpf detach'],
  );
  return withDirectory(detach)
    .addHelpText(
      'after',
      '\nPrograms are found by their name, so those with pins in another directory, or\nwithout pins, are detached too.',
    )
    .option(
      '--hand-over',
      'first give all flows to the nftables classifier, whose table must be there',
    )
    .action(action(runDetach));
}

async function runDetach(options: DetachCommandOptions): Promise<undefined> {
  const { json, handOver = false } = options;
  const directory = await directoryOf(options);
  const was = asSidetrackError(() => showClassifier(directory)) !== undefined;
  // While the filters still steer: what begins now, nftables sees too.
  if (was && handOver) await handOverToNftables(await here(), directory);
  asSidetrackError(() => detachClassifier(directory));
  const after = handOver ? 'steered connections go on in nftables' : 'steered connections end';
  if (json) printJson({ changed: was });
  else print(was ? `Detached: ${after}.` : 'Nothing to detach.');
}

function showCommand(): Command {
  const show = command(
    'show',
    'Show where the classifier is attached (exit 1 when not everywhere)',
    ['sudo sidetrack bpf show'],
  );
  return withDirectory(show).action(action(runShow));
}

async function runShow(options: BpfOptions): Promise<number> {
  const { object, json } = options;
  const directory = await directoryOf(options);
  const state = asSidetrackError(() => showClassifier(directory, object ?? CLASSIFIER_OBJECT));
  const loss = state && lossOf(state);
  if (json) printJson(state ?? null);
  else if (state === undefined) print('The ebpf classifier is not attached.');
  else {
    print(`program ${state.program ?? 'none'}${state.outdated ? ' (of another build)' : ''}`);
    for (const line of table(
      ['interface', 'filter'],
      state.interfaces.map(({ name, filter }) => [name, filter]),
    ))
      print(line);
    if (state.xdp)
      for (const line of table(
        ['device', 'XDP'],
        state.xdp.map(({ name, mode }) => [name, mode]),
      ))
        print(line);
    for (const line of serverTable(state.servers ?? [])) print(line);
    const { flows, flowTable } = state;
    print(`flows: ${flows.v4} IPv4, ${flows.v6} IPv6, of ${flowTable?.v4 ?? 0} each`);
    for (const { client, flows: own } of state.overShare ?? [])
      print(`over its share lately: ${client}, ${own} flows`);
    if (loss !== undefined) print(`Not in force everywhere: ${loss}.`);
  }
  return state !== undefined && loss === undefined ? EXIT_OK : EXIT_FAILED;
}

function statsCommand(): Command {
  const stats = command('stats', 'Show what the classifier counted', [
    'sudo sidetrack bpf stats',
    'sudo sidetrack bpf stats --json | jq .events',
  ]);
  return withDirectory(stats).action(action(runStats));
}

async function runStats(options: BpfOptions): Promise<undefined> {
  const { json } = options;
  const directory = await directoryOf(options);
  const stats = asSidetrackError(() => readStats(directory));
  if (json) printJson(stats);
  else printStats(stats);
}

function printStats({ rules, outcomes, events, servers }: ClassifierStats): void {
  const row = (name: string, packets: number, bytes?: number) => [
    name,
    String(packets),
    bytes === undefined ? '' : String(bytes),
  ];
  // Guards and other rarities only when they counted something; --json has them all.
  const shown = rules.filter(({ name, packets }) => packets > 0 || !name.startsWith('guard:'));
  const counted = Object.entries(outcomes).filter(([, { packets }]) => packets > 0);
  const seen = Object.entries(events).filter(([, times]) => times > 0);
  const sections: [string, string[][]][] = [
    ['first packets by rule', shown.map(({ name, packets, bytes }) => row(name, packets, bytes))],
    ['all packets', counted.map(([name, { packets, bytes }]) => row(name, packets, bytes))],
    ['events', seen.map(([name, times]) => row(name, times))],
  ];
  for (const [title, rows] of sections)
    if (rows.length > 0) for (const line of table([title, 'packets', 'bytes'], rows)) print(line);
  for (const line of serverTable(servers)) print(line);
}
