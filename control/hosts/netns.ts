import type { Host } from './host.js';
import { placesOf } from './namespace.js';
import { runProcess } from './process.js';
import { OWN_COMMAND } from './sidetrack.js';

/**
 * A named network namespace of this machine, as `ip netns add` makes them.
 * nsenter(1) instead of `ip netns exec`: it leaves the mount namespace alone, so it is faster and
 * works inside a user namespace, where a second sysfs may not be mounted.
 */
export function netnsHost(name: string): Host {
  const wrap = (argv: readonly string[]) => ['nsenter', `--net=/run/netns/${name}`, '--', ...argv];
  return {
    ...placesOf(name),
    address: `netns://${name}`,
    sidetrack: OWN_COMMAND,
    wrap,
    run: (argv, options) => runProcess(wrap(argv), options),
  };
}
