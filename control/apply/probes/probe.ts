/**
 * Tries that find out whether something works: measured on a host before a change, and demanded after it where
 * they worked. All of a host run side by side, so that together they take as long as the longest one.
 */

import type { Command } from '../../command/command.js';
import { outputOf, type Query, query } from '../../command/query.js';
import { shellWords } from '../../command/shell.js';
import { PROBE_FUNCTIONS, UNMEASURABLE } from './shell.js';

export interface Probe {
  /** Short, for programs: `gateway-ping 203.0.113.1`. */
  name: string;
  /** Completes "… works" in a line for people: `the router reaches its gateway 203.0.113.1 (ping)`. */
  works: string;
  /** The same, once it does not: `the router no longer reaches its gateway 203.0.113.1 (ping)`. */
  fails: string;
  /** A call of a function of `shell.ts`, as words. */
  call: readonly string[];
  /** What is measured before the change in its place: it has to work for the probe to be demanded. */
  before?: readonly string[];
  /** Takes back what a try leaves where its shell is killed. */
  undo?: Command[];
}

export type ProbeState = 'works' | 'fails' | 'unmeasurable';

export interface ProbeResult {
  probe: Probe;
  state: ProbeState;
}

const COLLECT = `
seconds=$1; shift
running=
for call in "$@"; do
  ( eval "$call" ) </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & running="$running $!"
done
( trap 'kill $!; exit' TERM; sleep "$seconds" & wait $!; kill -9 $running ) >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & keeper=$!
ended=0
for one in $running; do
  wait $one; status=$?
  echo $status
  [ $status = 0 ] || ended=1
done
kill $keeper 2>/dev/null
`;

const SCRIPT = `${PROBE_FUNCTIONS}${COLLECT}`;

function collect(
  calls: readonly string[],
  seconds: number,
  last: string,
  purpose: string,
): Command {
  return { argv: ['sh', '-c', `${SCRIPT}${last}`, 'sh', String(seconds), ...calls], purpose };
}

/** Before the change; a question, which no answer makes fail. */
export function measureProbes(probes: readonly Probe[], seconds: number): Query<ProbeResult[]> {
  const calls = probes.map(({ call, before = call }) => shellWords(before));
  const command = collect(calls, seconds, 'exit 0', 'trying what works before the change');
  return query(command, (answer) => resultsOf(probes, outputOf(answer)));
}

/** After the change: fails where one of them does not work; `resultsOf` reads which. */
export function demandProbes(probes: readonly Probe[], seconds: number): Command {
  const calls = probes.map(({ call }) => shellWords(call));
  return collect(calls, seconds, 'exit $ended', 'trying what worked before the change');
}

/** What the command printed; what has no status any more does not work. */
export function resultsOf(probes: readonly Probe[], stdout: string): ProbeResult[] {
  const statuses = stdout.trim().split('\n');
  return probes.map((probe, i) => ({ probe, state: stateOf(statuses[i]) }));
}

function stateOf(status: string | undefined): ProbeState {
  if (status === '0') return 'works';
  return status === String(UNMEASURABLE) ? 'unmeasurable' : 'fails';
}

/** Those that have to work afterwards. */
export const demandedOf = (before: readonly ProbeResult[]): Probe[] =>
  before.filter(({ state }) => state === 'works').map(({ probe }) => probe);
