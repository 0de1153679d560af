import { describe, expect, it } from 'vitest';
import { freshKeys, heartbeatsOf, withKeysOf } from '../../../control/apply/heartbeat-keys.js';
import type { Config } from '../../../control/config/config.js';
import { parseConfig } from '../../../control/config/load.js';
import { readHeartbeatFile } from '../../../control/heartbeat/key-file.js';
import { heartbeatSecrets } from '../../../control/heartbeat/message.js';
import { desiredHeartbeat } from '../../../control/plan/heartbeat.js';
import type { ObservedHost } from '../../../control/plan/state.js';
import { bareRouter } from './fixtures.js';

const [FRESH, KEPT] = ['11'.repeat(32), '22'.repeat(32)];

async function config(address: string, more = ''): Promise<Config> {
  const found = await parseConfig(
    'x.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ name: server1, host: local, interface: eth0, address: ${address}${more} }]
`,
  );
  // Whatever the file may say yet.
  return { ...found, servers: found.servers.map((one) => ({ ...one, health: 'heartbeat' })) };
}

const facts = (...addresses: [string, number, boolean?][]) => [
  {
    name: 'br-lan',
    mac: '02:00:00:00:00:01',
    up: true,
    addresses: addresses.map(([address, prefixLength, temporary = false]) => ({
      family: address.includes(':') ? (6 as const) : (4 as const),
      ...{ address, prefixLength },
      ...(temporary && { temporary: true }),
    })),
  },
];

function wanted(found: Config, host: ObservedHost, router?: ObservedHost) {
  const input = { config: found, server: found.servers[0]!, host, router, freshKey: FRESH };
  const { content, group } = desiredHeartbeat(input)!;
  const read = readHeartbeatFile(content);
  if (!('value' in read)) throw new Error(read.problem);
  return { ...read.value, group };
}

describe('what a sender of heartbeats is told', () => {
  it("is the router's own address on the server's subnet, and a fresh key", async () => {
    const router = bareRouter({ interfaces: facts(['10.0.0.1', 8], ['192.168.1.1', 24]) });
    expect(wanted(await config('192.168.1.2'), bareRouter(), router)).toEqual({
      ...{ version: 1, server: 'server1', key: FRESH, from: '192.168.1.2', interval_ms: 500 },
      to: [{ address: '192.168.1.1', port: 9155 }],
      group: 'sidetrack-relay',
    });
  });

  it('is an IPv6 address that stays, where the server has no other', async () => {
    const router = bareRouter({ interfaces: facts(['fd00:1::99', 64, true], ['fd00:1::1', 64]) });
    const { to, from } = wanted(await config('"fd00:1::2"'), bareRouter(), router);
    expect([from, to[0]!.address]).toEqual(['fd00:1::2', 'fd00:1::1']);
  });

  it('keeps the key that is there, and the address where the router is not seen', async () => {
    const found = await config('192.168.1.2', ', program: external');
    const router = bareRouter({ interfaces: facts(['192.168.1.1', 24]) });
    const first = desiredHeartbeat({
      ...{ config: found, server: found.servers[0]!, host: bareRouter(), router },
      freshKey: KEPT,
    })!;
    expect(first.group).toBe('sidetrack-heartbeat');
    const host = bareRouter({ heartbeat: { content: first.content, mode: 0o640, group: 0 } });
    const { key, to } = wanted(found, host);
    expect([key, to]).toEqual([KEPT, [{ address: '192.168.1.1', port: 9155 }]]);
    const fresh = freshKeys(found);
    const seen = heartbeatsOf(found, new Map([['server1', host]]), fresh);
    expect(seen.get('server1')).toEqual(heartbeatSecrets(KEPT));
    expect(heartbeatsOf(found, new Map(), fresh).size).toBe(0);
    // A saved plan is planned again with the key that it writes.
    const steps = [{ host: 'server1', title: '', argv: [], undo: [], stdin: first.content }];
    expect(withKeysOf({ steps }, { freshKeys: fresh }).freshKeys.get('server1')).toBe(KEPT);
  });

  it('is an error that says what to do where the router cannot be reached so', async () => {
    const found = await config('192.168.7.2');
    const router = bareRouter({ interfaces: facts(['192.168.1.1', 24]) });
    expect(() => wanted(found, bareRouter(), router)).toThrow(
      /no address on the subnet of server1/,
    );
  });

  it('is nothing where the router does not ask for it', async () => {
    const found = await config('192.168.1.2');
    const server = { ...found.servers[0]!, health: 'route' as const };
    const host = bareRouter();
    expect(desiredHeartbeat({ config: found, server, host, freshKey: FRESH })).toBeUndefined();
  });
});
