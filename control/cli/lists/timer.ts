/**
 * Lists are refreshed by the machine that `sidetrack apply` runs on, for the configuration and the copies are there; hosts fetch
 * nothing. What does so regularly is the owner's to switch on.
 */
import { lstatSync } from 'node:fs';
import type { Config } from '../../config/config.js';
import { listsOf } from '../../lists/states.js';

/** The one that the timer's service names. */
const SYSTEM_CONFIG = '/etc/sidetrack/sidetrack.yaml';
const ENABLED = '/etc/systemd/system/timers.target.wants/sidetrack-refresh.timer';
const UNIT = '/usr/lib/systemd/system/sidetrack-refresh.timer';

/** Also where it is a link to nothing. */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/**
 * @returns what to type so that lists are refreshed without being asked for; undefined where none is fetched, or that is so already
 */
export function refreshAdvice(
  config: Pick<Config, 'file' | 'sets'>,
  has: (path: string) => boolean = isThere,
): string | undefined {
  const names = listsOf(config).map(({ name }) => name);
  if (names.length === 0) return undefined;
  const isOfTimer = config.file === SYSTEM_CONFIG && has(UNIT);
  if (isOfTimer && has(ENABLED)) return undefined;
  const them = names.length === 1 ? `the list ${names[0]}` : `the lists ${names.join(', ')}`;
  const how = isOfTimer
    ? 'systemctl enable --now sidetrack-refresh.timer'
    : `a line for cron, as docs/lists.md has it: sidetrack refresh -c ${config.file}`;
  return `This machine refreshes ${them} when it is asked; to have it do so by itself: ${how}`;
}
