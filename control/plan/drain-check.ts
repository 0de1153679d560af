/** Servers that get no new flows, as a reminder. Pure. */
import { fateOf } from '../config/carried.js';
import type { Config } from '../config/config.js';
import type { Finding } from './finding.js';
import type { Target } from './targets.js';

export function drainedServers(config: Config, targets: readonly Target[]): Finding[] {
  const drained = targets.filter((target) => target.drained && !target.leaves);
  const path = (name: string) => ['servers', config.servers.findIndex((one) => one.name === name)];
  return [
    ...drained.map(({ name }) => ({
      path: path(name),
      message: `${name} is drained: it gets no new flows`,
      hint: `run \`sidetrack undrain ${name}\` when it is to get some again`,
    })),
    ...withoutServer(config, new Set(drained.map(({ name }) => name))),
    ...targets
      .filter(({ leaves }) => leaves)
      .map(({ name }) => ({
        path: ['servers'],
        message: `${name} is in the file no more: it gets no new flows, and its live ones go on`,
        hint: 'run `sidetrack apply` again when they have ended; that takes the rest of it away',
      })),
  ];
}

/** Rules whose servers are all drained, and the default where all are. */
function withoutServer(config: Config, drained: ReadonlySet<string>): Finding[] {
  if (drained.size === 0) return [];
  const isEmpty = (names: readonly string[]) => names.every((name) => drained.has(name));
  const all = config.servers.map(({ name }) => name);
  const hint = 'undrain one of them, or name others';
  const rules = config.rules.flatMap(({ name, servers }, index): Finding[] =>
    servers !== undefined && isEmpty(servers) && !isEmpty(all)
      ? [
          {
            path: ['rules', index],
            message: `every server of rule "${name}" is drained: what it proxies ${fateOf(config)}`,
            hint,
          },
        ]
      : [],
  );
  if (!isEmpty(all)) return rules;
  return [
    {
      path: ['servers'],
      message: `every server is drained: what rules proxy ${fateOf(config)}`,
      hint: 'undrain one of them',
    },
  ];
}
