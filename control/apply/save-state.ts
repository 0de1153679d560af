/** Saves what an apply left on a host, so that the next one can tell "as we left it". */
import { commandError } from '../command/answer.js';
import { type Command, OWNER_ONLY, removeFiles, writeFileWithMode } from '../command/command.js';
import { type Answers, parseAnswers } from '../command/query.js';
import type { HostState, ObservedHost } from '../plan/state.js';
import { appliedTableQuery } from '../resources/nft-query.js';
import { savedQuery, stateUpdate } from '../resources/saved-parts.js';
import { changeCommandError } from './change-ended.js';
import type { Place } from './place.js';

/** What the state is made of: asked behind the last step, in the same script. */
export const leftQueries = (
  host: Pick<ObservedHost, 'address' | 'stateDir' | 'ownsEtc'>,
  { table }: HostState,
) => ({
  table: appliedTableQuery({ stateDir: host.stateDir, wantedSets: table.sets }),
  saved: savedQuery(host),
});

export type Left = Answers<ReturnType<typeof leftQueries>>;

/** What goes with it. */
export interface Around {
  before: readonly Command[];
  after: readonly Command[];
  /** The change can still be reverted, and what is stale is needed for that. */
  keepsStale: boolean;
}

export const NOTHING_AROUND: Around = { before: [], after: [], keepsStale: false };

/** One round trip. */
export async function saveState(
  { host, session }: Place,
  desired: HostState,
  { table, saved }: Left,
  { before, after, keepsStale }: Around,
): Promise<void> {
  const { added, state, stale } = stateUpdate(desired, {
    stateDir: host.stateDir,
    ...(table.listing && { listing: table.listing }),
    ...saved,
  });
  const commands = [
    ...before,
    ...added.map(({ path, content }) => writeFileWithMode(path, content, OWNER_ONLY)),
    state,
    ...(stale.length > 0 && !keepsStale ? [removeFiles(stale)] : []),
    ...after,
  ];
  const results = await session.batch(commands, { untilFailure: true });
  const failed = results.findIndex(({ status }) => status !== 0);
  if (failed === -1) return;
  if (added.length > 0) await session.batch([removeFiles(added.map(({ path }) => path))]);
  const isOfChange = failed < before.length || failed >= commands.length - after.length;
  const errorOf = isOfChange ? changeCommandError : commandError;
  throw errorOf(host, commands[failed]!, results[failed]!);
}

/** For a host without steps, which nevertheless is not written down as it is. */
export async function readLeft({ host, session }: Place, desired: HostState): Promise<Left> {
  const queries = leftQueries(host, desired);
  const commands = Object.values(queries).flatMap((one) => [...one.commands]);
  return parseAnswers(host, queries, await session.batch(commands));
}
