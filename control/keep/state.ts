/** What the watcher of a host has done, as it writes it into `state.json`; whether it runs, a lock says. Pure. */
import { z } from 'zod';
import type { Command } from '../command/command.js';
import { outputOf, type Query, query } from '../command/query.js';
import { readContract } from '../contract.js';
import { keepRunDirectory } from './files.js';

/** Kind and name as differences have them; why is a line. */
const about = { kind: z.string(), name: z.string(), why: z.string() };
/** Seconds since 1970. */
const since = z.number();

const keepState = z.object({
  version: z.literal(1),
  since,
  /** Things that it looks after. */
  kept: z.number(),
  /** By kind, since the host was started. */
  repairs: z.record(z.string(), z.number()),
  /** The newest last. */
  last: z.array(z.object({ time: z.number(), ...about })),
  /** What is not as it should be, and cannot be repaired now. */
  open: z.array(z.object({ since, ...about })),
  /** What another program changes again and again, and is left alone. */
  alarms: z.array(z.object({ since, ...about })),
});

export interface KeepState extends z.output<typeof keepState> {
  /** Whether the watcher runs. */
  runs: boolean;
}

/** Nothing is printed where no watcher has ever run since the host was started. */
function readState(stateDir: string): Command {
  const script = `
cd "$1" 2>/dev/null && [ -s state.json ] || exit 0
runs=no
if [ -e watcher ]; then
  ( flock -s -n 8 ) 8<watcher 2>/dev/null
  [ $? != 1 ] || runs=yes
fi
echo $runs
cat state.json`;
  return {
    argv: ['sh', '-c', script, 'sh', keepRunDirectory(stateDir)],
    purpose: 'reading what the watcher has done',
  };
}

/** Undefined where no watcher has run since the host was started, or where it wrote what is not known here. */
export const keepStateQuery = ({ stateDir }: { stateDir: string }): Query<KeepState | undefined> =>
  query(readState(stateDir), (answer) => parseKeepState(outputOf(answer)));

export function parseKeepState(text: string): KeepState | undefined {
  const end = text.indexOf('\n');
  const read = readContract(text.slice(end + 1), keepState);
  return 'value' in read ? { ...read.value, runs: text.slice(0, end) === 'yes' } : undefined;
}
