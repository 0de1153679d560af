/** What nft says no to for a reason that has a cure: a message too long, a module that is not there. */
import { commandError } from '../command/answer.js';
import type { Command, RunResult } from '../command/command.js';
import { SidetrackError } from '../error.js';
import type { Host } from '../hosts/host.js';
import { divide } from '../nft/divide.js';
import { NFT_RUN, type Statement, type Transaction } from '../nft/json.js';
import type { Step } from '../plan/step.js';
import type { Place } from './place.js';

export const isNft = ({ argv }: Command): boolean => argv.join(' ') === NFT_RUN.join(' ');

/** Of a command that `isNft` is true of: what we have written into it. */
export const transactionOf = ({ stdin = '' }: Command) => JSON.parse(stdin) as Transaction;

const write = (transaction: Transaction) => `${JSON.stringify(transaction)}\n`;

/**
 * Does the step in pieces where it was too long.
 * @throws SidetrackError that says what is missing; the step's undo takes back the part that was done.
 */
export async function cureNftStep(place: Place, step: Step, result: RunResult): Promise<void> {
  if (/Message too long/.test(result.stderr)) return runDivided(place, step);
  throw (await missingModule(place, step, result)) ?? commandError(place.host, step, result);
}

/** Puts back in pieces what was too long for one message. @returns whether that was so, and it is back */
export async function cureUndo(
  place: Place,
  command: Command,
  { stderr }: RunResult,
): Promise<boolean> {
  if (!isNft(command) || !/Message too long/.test(stderr)) return false;
  return runDivided(place, command).then(
    () => true,
    () => false,
  );
}

async function runDivided({ host, session }: Place, step: Command & Partial<Step>): Promise<void> {
  const { argv, stdin, freshSets = [] } = step;
  const transactions = divide(transactionOf(step), freshSets);
  const commands = transactions.map((one) => ({ argv, stdin: write(one) }));
  const results = await session.batch(commands, { untilFailure: true });
  const failed = results.findIndex(({ status }) => status !== 0);
  if (failed === -1) return;
  const result = results[failed]!;
  if (/Message too long/.test(result.stderr)) throw tooLong(host, stdin!);
  throw commandError(host, commands[failed]!, result);
}

/** A generous guess; the text is longer than what it becomes. */
function tooLong(host: Host, { length }: string): SidetrackError {
  const bytes = 2 ** Math.ceil(Math.log2(4 * length));
  return new SidetrackError(
    `${host.address}: the table cannot be re-created at once: too many entries for nft without root's privilege`,
    {
      code: 'message-too-long',
      source: 'kernel',
      hint: `run it as the machine's root, or let that one type: sysctl -w net.core.wmem_default=${bytes} net.core.wmem_max=${bytes}; or first: sidetrack down`,
    },
  );
}

interface Feature {
  /** The statement or expression as it stands in a transaction. */
  uses: string;
  name: string;
  module: string;
  /** OpenWrt's package. */
  kmod: string;
  chain: 'filter' | 'nat';
  expr: unknown[];
}

const TCP: Statement = {
  match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'tcp' },
};

const isTrue = (left: unknown, right: unknown) => ({ match: { op: '==', left, right } });

const FEATURES: readonly Feature[] = [
  {
    uses: '"fib":',
    name: 'fib',
    module: 'nft_fib_inet',
    kmod: 'kmod-nft-fib',
    chain: 'filter',
    expr: [isTrue({ fib: { result: 'type', flags: ['daddr'] } }, 'local')],
  },
  {
    uses: '"dnat":',
    name: 'dnat',
    module: 'nft_nat',
    kmod: 'kmod-nft-nat',
    chain: 'nat',
    expr: [TCP, { dnat: { family: 'ip', addr: '192.0.2.1', port: 1 } }],
  },
  {
    uses: '"tproxy":',
    name: 'tproxy',
    module: 'nft_tproxy',
    kmod: 'kmod-nft-tproxy',
    chain: 'filter',
    expr: [TCP, { tproxy: { port: 1 } }],
  },
  {
    uses: '"socket":',
    name: 'socket',
    module: 'nft_socket',
    kmod: 'kmod-nft-socket',
    chain: 'filter',
    expr: [isTrue({ socket: { key: 'transparent' } }, 1)],
  },
  {
    uses: '"limit":',
    name: 'limit',
    module: 'nft_limit',
    kmod: 'kmod-nft-core',
    chain: 'filter',
    expr: [{ limit: { rate: 1, per: 'minute', burst: 1, inv: true } }],
  },
  {
    uses: '"notrack":',
    name: 'notrack',
    module: 'nft_ct',
    kmod: 'kmod-nft-core',
    chain: 'filter',
    expr: [{ notrack: null }],
  },
  {
    uses: '"reject":',
    name: 'reject',
    module: 'nft_reject_inet',
    kmod: 'kmod-nft-core',
    chain: 'filter',
    expr: [TCP, { reject: { type: 'tcp reset' } }],
  },
];

/** A table of one rule, never committed. */
function probeOf({ chain, expr }: Feature): Transaction {
  const table = 'sidetrack_probe';
  const hook = { type: chain, hook: 'prerouting', prio: chain === 'nat' ? -100 : -300 };
  return {
    nftables: [
      { add: { table: { family: 'inet', name: table } } },
      { add: { chain: { family: 'inet', table, name: 'probe', ...hook, policy: 'accept' } } },
      { add: { rule: { family: 'inet', table, chain: 'probe', expr } } },
    ],
  };
}

const ABSENT = /No such file or directory|not supported/;

/** nft does not say which of the rules it was, so each kind is tried alone, and nothing changed. */
async function missingModule(
  { host, session }: Place,
  { stdin = '' }: Step,
  { stderr }: RunResult,
): Promise<SidetrackError | undefined> {
  if (!ABSENT.test(stderr)) return undefined;
  for (const feature of FEATURES.filter(({ uses }) => stdin.includes(uses))) {
    const argv = ['nft', '-c', ...NFT_RUN.slice(1)];
    const [result] = await session.batch([{ argv, stdin: write(probeOf(feature)) }]);
    if (result && result.status !== 0 && ABSENT.test(result.stderr)) return lacks(host, feature);
  }
  return undefined;
}

function lacks(host: Host, { name, module, kmod }: Feature): SidetrackError {
  return new SidetrackError(
    `${host.address}: the kernel has no "${name}" of nftables (${module})`,
    {
      code: 'module-missing',
      source: 'kernel',
      hint: `OpenWrt: opkg install ${kmod}; elsewhere: modprobe ${module}, and where there is none, take the distribution's usual kernel (Debian: linux-image-amd64)`,
    },
  );
}
