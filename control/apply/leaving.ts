/** Whether flows are left of servers that the file has no more. */
import { query } from '../command/query.js';
import type { Config } from '../config/config.js';
import { ask, type Host } from '../hosts/host.js';
import { parseFlowSet } from '../nft/flow-target.js';
import { TABLE_NAME } from '../nft/router-table.js';
import type { ObservedHost } from '../plan/state.js';
import { targetNumbers } from '../plan/target-memory.js';

/** `router`, with the numbers of those of which none is; asked only where a server leaves. */
export async function withIdleTargets(
  host: Host,
  config: Config,
  router: ObservedHost,
): Promise<ObservedHost> {
  const { leaving } = targetNumbers(config, router);
  if (leaving.length === 0) return router;
  const numbers = leaving.map(({ number }) => number);
  const busy = await busyTargets(host, router, numbers);
  return { ...router, idleTargets: numbers.filter((number) => !busy.has(number)) };
}

async function busyTargets(
  host: Host,
  { classifier, listing }: ObservedHost,
  numbers: readonly number[],
): Promise<ReadonlySet<number>> {
  // A classifier of an earlier version does not say whose flows it has: then all may have some.
  const inClassifier = classifier ? (classifier.liveTargets ?? numbers) : [];
  const sets = (listing?.sets ?? []).flatMap(({ name }) => {
    const number = parseFlowSet(name)?.number;
    return number !== undefined && numbers.includes(number) ? [{ name, number }] : [];
  });
  const { full } = await ask(host, { full: nonEmptySets(sets.map(({ name }) => name)) });
  return new Set([
    ...inClassifier,
    ...sets.filter(({ name }) => full.has(name)).map(({ number }) => number),
  ]);
}

/** Says the name of each set that has an element; grep ends nft at the first one. */
const HAVE_ELEMENTS = `table=$1; shift
for set do nft list set inet "$table" "$set" | grep -q "elements = {" && echo "$set"; done; :`;

const nonEmptySets = (names: readonly string[]) =>
  query(
    { argv: ['sh', '-c', HAVE_ELEMENTS, 'sh', TABLE_NAME, ...names], purpose: 'looking for flows' },
    ({ result }) => new Set(result.stdout.split('\n').filter((line) => line !== '')),
  );
