import { expect, it } from 'vitest';
import { withoutClients } from '../../../monitoring/events.js';
import { STATE_VERSION } from '../../../monitoring/state.js';

it('shows those who may not see clients no file and no address of the machine that reads the hosts', () => {
  const shown = withoutClients({
    version: STATE_VERSION,
    at: 1,
    clients: [
      { address: '192.168.1.10', active: 1, connections: 1, bytes: { upload: 1, download: 1 } },
    ],
    hosts: [
      {
        name: 'router',
        address: 'ssh://root@192.168.1.1',
        up: false,
        error: 'identity file /root/.ssh/id_ed25519 type -1',
        state: 'drifted',
        differences: [
          'router: write /etc/iproute2/rt_tables.d/sidetrack.conf',
          'router: add route 10.0.0.0/8 via 192.168.1.2 (table 250)',
        ],
        problems: ['/home/me/sidetrack.yaml:11:3: the set is "/home/me/lists/a.txt"'],
      },
    ],
    health: [{ level: 'ok', host: 'relay', what: 'no problem found', next: '' }],
  });
  expect(shown).toEqual({
    version: STATE_VERSION,
    at: 1,
    hosts: [
      {
        name: 'router',
        address: 'ssh',
        up: false,
        state: 'drifted',
        differences: [
          'router: write …',
          'router: add route 10.0.0.0/8 via 192.168.1.2 (table 250)',
        ],
        problems: ['…:11:3: the set is "…"'],
      },
    ],
    health: [{ level: 'ok', host: 'relay', what: 'no problem found', next: '' }],
  });
});
