/** What a person should look at, each with what to type next. Pure. */
import type { Health, State } from './state.js';

const LEVELS: readonly Health['level'][] = ['critical', 'warning', 'ok'];

export type Judged = Omit<State, 'version' | 'health'>;

/** The worst first; one line of `ok` when there is nothing. */
export function health(state: Judged): Health[] {
  const found = upstreamsOf(state);
  if (found.length === 0)
    return [{ level: 'ok', host: 'relay', what: 'nothing to see to', next: '' }];
  return found.toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
}

function upstreamsOf({ relay }: Judged): Health[] {
  const upstreams = relay?.upstreams ?? [];
  const level = upstreams.some(({ up }) => up) ? 'warning' : 'critical';
  return upstreams
    .filter(({ up }) => !up)
    .map(({ name, reason, since }) => ({
      level,
      host: 'relay',
      what: `upstream "${name}" is down since ${clock(since)}${reason === undefined ? '' : `: ${reason}`}`,
      next: 'journalctl -u sidetrack-relay',
    }));
}

/** `12:34:56Z` */
const clock = (time: number) => new Date(time * 1000).toISOString().slice(11, 19).concat('Z');
