/** What a host has of the relay as a package and a unit. */
import type { Query } from '../command/query.js';
import { DROP_IN, RELAY_CONFIG, RELAY_UNIT } from '../plan/relay-unit.js';
import type { ObservedFrom, ObservedHost, ObservedRelay } from '../plan/state.js';
import { foundFile, readFile } from './file.js';

/** A line each, a word and its values; what is not there has none. Routers have neither dpkg nor systemd. */
const STATE = `[ -d /run/systemd/system ] && command -v systemctl >/dev/null && {
  echo systemd
  systemctl --quiet is-active "$1" && echo active
  systemctl --quiet is-enabled "$1" 2>/dev/null && echo enabled
  echo unit "$(systemctl show --property=FragmentPath --value "$1")"
}
command -v dpkg-query >/dev/null && {
  echo architecture "$(dpkg --print-architecture)"
  dpkg-query --show --showformat='\${Package} \${db:Status-Status} \${Version} \${Sidetrack-Contents}\\n' sidetrack nodejs 2>/dev/null
}
:`;

/** These are shown to people: words and paths of usual letters, and deb-version(7). */
const ARCHITECTURE = /^[a-z0-9-]{1,40}$/;
const PATH = /^\/[\w@./-]{1,200}$/;
const VERSION = /^[\w.+:~-]{1,80}$/;

export function relayQuery({ ownsEtc }: ObservedFrom): Query<Pick<ObservedHost, 'relay'>> {
  if (!ownsEtc) return { commands: [], parse: () => ({}) };
  const files = [RELAY_CONFIG, DROP_IN];
  return {
    commands: [
      { argv: ['sh', '-c', STATE, 'sh', RELAY_UNIT], purpose: 'looking for the relay' },
      ...files.map(readFile),
    ],
    parse: (state, config, dropIn) => {
      const [read, addition] = [config && foundFile(config), dropIn && foundFile(dropIn)];
      return {
        relay: {
          ...relayOf(state?.result.stdout ?? ''),
          ...(read && { config: read }),
          ...(addition && { dropIn: addition }),
        },
      };
    },
  };
}

/** @param said lines of `STATE`. */
export function relayOf(said: string): ObservedRelay {
  const lines = said.split('\n').map((line) => line.trim().split(' '));
  const line = (word: string) => lines.find(([first]) => first === word)?.slice(1);
  const installed = (name: string) => {
    const [status, version, contents = ''] = line(name) ?? [];
    return status === 'installed' && VERSION.test(version ?? '')
      ? { version: version!, contents }
      : undefined;
  };
  const architecture = line('architecture')?.[0];
  const own = installed('sidetrack');
  const node = installed('nodejs')?.version;
  const unitFile = line('unit')?.[0];
  return {
    hasSystemd: line('systemd') !== undefined,
    isActive: line('active') !== undefined,
    isEnabled: line('enabled') !== undefined,
    ...(architecture && ARCHITECTURE.test(architecture) && { architecture }),
    ...(own && { installed: own }),
    ...(node && { node }),
    ...(unitFile && PATH.test(unitFile) && { unitFile }),
  };
}
