/** What the line after a reload says. */
import { describe, expect, it } from 'vitest';
import {
  describeChanges,
  needRestart,
  pictureOf,
  type SetupPicture,
} from '../../../control/cli/relay/changes.js';
import { relayOptions } from '../../../control/cli/relay/options.js';
import { parseConfig } from '../../../control/config/load.js';
import type { Upstream } from '../../../proxy/upstreams.js';

async function picture(relay = '', upstreams: Upstream[] = [], port = 1): Promise<SetupPicture> {
  const config = await parseConfig(
    'x.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2, port: ${port} }]
relay: { ${relay} }
`,
  );
  const server = config.servers[0]!;
  return pictureOf({
    access: { warnings: [] },
    exporter: { address: '127.0.0.1' },
    config,
    server,
    options: relayOptions(config, server, upstreams),
  });
}

const vps = (password: string): Upstream => ({
  name: 'vps',
  kind: 'socks5',
  address: '192.0.2.1',
  port: 1,
  username: 'u',
  password: Buffer.from(password),
});
const direct: Upstream = { name: 'direct', kind: 'direct' };

describe('describeChanges', () => {
  it('names what has come, gone and changed', async () => {
    const before = await picture('routes: [{ name: a, upstreams: direct }]', [vps('x'), direct]);
    const after = await picture(
      'routes: [{ name: b, upstreams: direct }], max_connections: 5, strategy: weighted',
      [vps('y'), { ...direct, name: 'out' }],
    );
    expect(describeChanges(before, after)).toBe(
      'upstreams +out -direct ~vps, routes +b -a, strategy failover → weighted, max_connections default → 5',
    );
  });

  it('sees another order, and that a set has other addresses', async () => {
    const route = (to: string) => `routes: [{ to: ${to}, upstreams: direct }]`;
    const before = await picture(route('10.0.0.1'), [vps('x'), direct]);
    const after = await picture(route('10.0.0.2'), [direct, vps('x')]);
    expect(describeChanges(before, after)).toBe('upstreams order, routes destinations');
  });

  it('names every setting of the relay that is another', async () => {
    const before = await picture('max_handshakes: 7');
    const after = await picture(
      'max_handshakes: 8, max_connections_per_client: 9, tcp_info: false, drain_seconds: 3',
    );
    expect(describeChanges(before, after)).toBe(
      'tcp_info true → false, max_connections_per_client default → 9, max_handshakes 7 → 8, drain_seconds 30 → 3',
    );
  });

  it('says when there is nothing, and keeps no password', async () => {
    const before = await picture('', [vps('hunter2')]);
    expect(describeChanges(before, await picture('', [vps('hunter2')]))).toBe(
      'nothing has changed for the relay',
    );
    expect(JSON.stringify([...before.upstreams])).not.toContain(
      JSON.stringify([...Buffer.from('hunter2')]).slice(1, -1),
    );
  });
});

describe('needRestart', () => {
  it('names the keys', async () => {
    const before = await picture();
    const after = await picture('threads: 2, metrics: { port: 9 }', [], 2);
    expect(needRestart(before, after)).toEqual(['port', 'relay.threads', 'relay.metrics']);
    expect(needRestart(before, await picture('drain_seconds: 1'))).toEqual([]);
  });
});
