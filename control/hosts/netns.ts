import type { Host } from './host.js';
import { runProcess } from './process.js';

/**
 * A named network namespace of this machine, as `ip netns add` makes them.
 * nsenter(1) instead of `ip netns exec`: it leaves the mount namespace alone, so it is faster and
 * works inside a user namespace, where a second sysfs may not be mounted.
 */
export function netnsHost(name: string): Host {
  const wrap = (argv: readonly string[]) => ['nsenter', `--net=/run/netns/${name}`, '--', ...argv];
  return {
    address: `netns://${name}`,
    stateDir: `/run/sidetrack/netns/${name}`,
    ownsEtc: false,
    wrap,
    run: (argv, options) => runProcess(wrap(argv), options),
  };
}
