/** What `status` says of the watcher of a host. */
import pc from 'picocolors';
import { formatAge } from '../../monitoring/web/format.js';
import { printable } from '../config/diagnostic.js';
import { KEEP_DIRECTORY } from '../keep/files.js';
import type { KeepState } from '../keep/state.js';

type About = KeepState['open'][number];

/** Nothing where no watcher has run there; the host may be hostile. */
export function keepLines(keep: KeepState | undefined, at = Date.now() / 1000): string[] {
  if (keep === undefined) return [];
  const { runs, kept, alarms, open } = keep;
  const said = runs
    ? [`keeps ${kept} things as they were applied: ${repairsText(keep, at)}`]
    : [
        `${pc.red('!')} its watcher has stopped: nothing is repaired there; type there: sh ${KEEP_DIRECTORY}/program watch, or start its service`,
      ];
  const why = ({ kind, name, why: reason }: About) => printable(`${kind} ${name} (${reason})`);
  return [
    ...said,
    ...alarms.map(
      (one) =>
        `${pc.red('!')} another program changes it again and again, so it is left alone: ${why(one)}; find that program, then type there: sh ${KEEP_DIRECTORY}/program resume`,
    ),
    ...open.map((one) => `${pc.yellow('~')} not repaired yet: ${why(one)}`),
  ];
}

/** `3 repairs (nft table 2, rule 1), the last one 5 min ago: rule …`. */
function repairsText({ repairs, last }: KeepState, at: number): string {
  const counts = Object.entries(repairs);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const newest = last.at(-1);
  if (total === 0 || newest === undefined) return 'no repair since it was started';
  const by = counts.map(([kind, count]) => `${kind} ${count}`).join(', ');
  const { kind, name, why, time } = newest;
  return printable(
    `${total} ${total === 1 ? 'repair' : 'repairs'} (${by}), the last one ${formatAge(Math.max(0, at - time))} ago: ${kind} ${name} (${why})`,
  );
}
