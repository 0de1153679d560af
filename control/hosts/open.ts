import { SidetrackError } from '../error.js';
import type { Host } from './host.js';
import { localHost } from './local.js';
import { netnsHost } from './netns.js';

/** Where a host is; the configuration's `HostAddress` has this shape. */
export type HostLocation =
  | { kind: 'local' }
  | { kind: 'netns'; name: string }
  | { kind: 'ssh'; user: string; host: string; port: number };

/** The one place that maps an address to its transport. */
export function openHost(location: HostLocation): Host {
  switch (location.kind) {
    case 'local':
      return localHost();
    case 'netns':
      return netnsHost(location.name);
    case 'ssh':
      throw new SidetrackError('hosts over ssh are not supported yet', {
        code: 'ssh-unsupported',
        source: 'user',
        hint: 'run sidetrack on each machine: `sidetrack apply --only router` and `--only server1`',
      });
  }
}
