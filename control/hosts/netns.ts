import type { Host } from './host.js';
import { pathsOf } from './namespace.js';
import { processHost } from './process-host.js';

/**
 * A named network namespace of this machine, as `ip netns add` makes them.
 * nsenter(1) instead of `ip netns exec`: it leaves the mount namespace alone, so it is faster and
 * works inside a user namespace, where a second sysfs may not be mounted.
 */
export function netnsHost(name: string): Host {
  return processHost(`netns://${name}`, pathsOf(name), (argv) => [
    'nsenter',
    `--net=/run/netns/${name}`,
    '--',
    ...argv,
  ]);
}
