/** Two routers with keepalived and the same servers: a new master hands new flows over at once. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labConfig } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS, labTopology, type Node, type Topology } from '../../control/lab/topology.js';
import { expectDownload } from './download.js';
import { Fixture, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';
import { missingPrograms, requireAll } from './rivals/installed.js';

const GATEWAY = '192.168.1.254';
const MACS = { router: '02:00:00:00:01:01', router2: '02:00:00:00:01:11' };

/** The lab's router is the switch of the LAN, too, and stays on when it is no longer the master. */
function withSecondRouter({ nodes, links }: Topology): Topology {
  const router2: Node = {
    name: 'router2',
    interfaces: [
      { name: 'br-lan', mac: MACS.router2, addresses: ['192.168.1.11/24'] },
      { name: 'wan', addresses: ['203.0.114.1/24'] },
    ],
    routes: ['default via 203.0.114.10'],
    sysctls: { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' },
    ruleset: `table inet wan_nat {
      chain postrouting {
        type nat hook postrouting priority srcnat
        oifname "wan" masquerade
      }
    }`,
  };
  const wider = nodes.map((node): Node => {
    if (node.name === 'internet')
      return {
        ...node,
        interfaces: [...node.interfaces, { name: 'eth1', addresses: ['203.0.114.10/24'] }],
      };
    // The relay's own connections stay where they are translated: that is a matter of conntrackd, not of ours.
    if (node.name === 'server1') return node;
    if (node.name !== 'router')
      return {
        ...node,
        routes: node.routes.map((one) => one.replace('via 192.168.1.1', `via ${GATEWAY}`)),
      };
    return {
      ...node,
      interfaces: [...node.interfaces, { name: 'lan9', addresses: [] }],
      bridges: node.bridges!.map((bridge) => ({
        ...bridge,
        mac: MACS.router,
        ports: [...bridge.ports, 'lan9'],
      })),
    };
  });
  return {
    nodes: [...wider, router2],
    links: [...links, ['router2:br-lan', 'router:lan9'], ['router2:wan', 'internet:eth1']],
  };
}

const keepalivedConf = (priority: number) => `global_defs {
  vrrp_version 3
}
vrrp_instance lan {
  state BACKUP
  interface br-lan
  virtual_router_id 51
  priority ${priority}
  advert_int 0.2
  virtual_ipaddress {
    ${GATEWAY}/24
  }
}
`;

const missing = missingPrograms(['keepalived']);

describe.skipIf(missing.length > 0 && !requireAll)('two routers with keepalived', () => {
  let fixture: Fixture;
  const masters = new Map<string, LabProcess>();

  /** The same but for where it is. */
  function configure(router: string, takesOver = true): void {
    const list = Object.values(MACS).join('", "');
    fixture.configure(
      labConfig(1)
        .replace(
          '  host: netns://router\n',
          `  host: netns://${router}\n  mac: ["${list}"]\n  takes_over: ${takesOver}\n`,
        )
        .replace('[br-lan, lan2]', '[br-lan]')
        .replace(/address: \[192\.168\.1\.2, .*\]/, 'address: 192.168.1.2'),
    );
  }

  function startKeepalived(router: string, priority: number): void {
    const directory = join(fixture.directory, `keepalived-${router}`);
    mkdirSync(directory);
    const file = join(directory, 'keepalived.conf');
    writeFileSync(file, keepalivedConf(priority));
    const pids = ['-p', join(directory, 'pid'), '-r', join(directory, 'vrrp.pid')];
    const argv = ['keepalived', '-n', '-l', '-P', '-f', file, ...pids];
    masters.set(
      router,
      fixture.lab.spawn(router, argv, { stdio: ['ignore', 'ignore', 'inherit'] }),
    );
  }

  const isMaster = async (router: string) =>
    (await fixture.lab.check(router, ['ip', '-4', 'address', 'show', 'dev', 'br-lan'])).includes(
      ` ${GATEWAY}/`,
    );

  /** Packets that it has handed over. */
  const steered = async (router: string) => {
    const argv = ['nft', 'list', 'chain', 'inet', 'sidetrack', 'steer'];
    return Number(/packets (\d+) /.exec(await fixture.lab.check(router, argv))?.[1]);
  };

  beforeAll(async () => {
    fixture = await Fixture.start(withSecondRouter(labTopology(1)));
    for (const router of ['router', 'router2']) {
      configure(router);
      await fixture.succeed('apply');
    }
    await fixture.startRelay();
    startKeepalived('router', 150);
    await waitFor('the first to be master', () => isMaster('router'));
    startKeepalived('router2', 100);
  });
  afterAll(() => fixture?.stop());

  it('want the same of the servers', async () => {
    configure('router');
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    expect((await fixture.sidetrack('status')).status).toBe(0);
    configure('router', false);
    await fixture.succeed('apply');
    expect(await fixture.lab.check('router', ['nft', 'list', 'chains'])).not.toContain('adopt');
    configure('router');
    await fixture.succeed('apply');
  });

  it('the new master hands new flows over at once, and live ones go on', async () => {
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    expect(await steered('router')).toBeGreaterThan(0);
    expect(await steered('router2')).toBe(0);
    const held = await holdConnection(fixture, 'client');
    await held.roundTrip('by the first');
    masters.get('router')!.signal('SIGTERM');
    await waitFor('the other to be master', () => isMaster('router2'));
    const from = Date.now();
    await waitFor('a new connection', async () => {
      const { outcome } = await fixture.client('client', 'dial', ADDRESS.internet.v4, '80');
      return outcome === 'open';
    });
    expect(Date.now() - from).toBeLessThan(5000);
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    expect(await steered('router2')).toBeGreaterThan(0);
    await held.roundTrip('by the second');
    await held.end();
  });
});
