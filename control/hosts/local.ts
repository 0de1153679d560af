import type { Host } from './host.js';
import { ownPlaces } from './namespace.js';
import { runProcess } from './process.js';
import { OWN_COMMAND } from './sidetrack.js';

/** The machine that sidetrack itself runs on, or the network namespace that it was started in. */
export function localHost(): Host {
  return {
    ...ownPlaces(),
    address: 'local',
    sidetrack: OWN_COMMAND,
    wrap: (argv) => [...argv],
    run: (argv, options) => runProcess(argv, options),
  };
}
