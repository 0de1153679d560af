import type { Host } from './host.js';
import { runProcess } from './process.js';

/** The machine that sidetrack itself runs on. */
export function localHost(): Host {
  return {
    address: 'local',
    stateDir: '/run/sidetrack',
    ownsEtc: true,
    wrap: (argv) => [...argv],
    run: (argv, options) => runProcess(argv, options),
  };
}
