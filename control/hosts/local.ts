import type { Host } from './host.js';
import { ownPaths } from './namespace.js';
import { processHost } from './process-host.js';

/** The machine that sidetrack itself runs on, or the network namespace that it was started in. */
export function localHost(): Host {
  return processHost('local', ownPaths(), (argv) => [...argv]);
}
