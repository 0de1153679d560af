import type { Host } from './host.js';
import { runProcess } from './process.js';
import { OWN_COMMAND } from './sidetrack.js';

/** The machine that sidetrack itself runs on. */
export function localHost(): Host {
  return {
    address: 'local',
    stateDir: '/run/sidetrack',
    ownsEtc: true,
    sidetrack: OWN_COMMAND,
    bpfDirectory: '/sys/fs/bpf/sidetrack',
    wrap: (argv) => [...argv],
    run: (argv, options) => runProcess(argv, options),
  };
}
