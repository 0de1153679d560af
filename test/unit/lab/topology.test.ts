/** Labs with several servers. */
import { describe, expect, it } from 'vitest';
import { LAB_CONFIG, labConfig } from '../../../control/lab/demo.js';
import {
  ADDRESS,
  DEFAULT_TOPOLOGY,
  labServers,
  labTopology,
  MOST_SERVERS,
  serversOf,
} from '../../../control/lab/topology.js';

const nameList = (count: number) => labTopology(count).nodes.map(({ name }) => name);

describe('a lab with several servers', () => {
  it('is the same as ever with one', () => {
    expect(labTopology(1)).toEqual(DEFAULT_TOPOLOGY);
    expect(labConfig(1)).toBe(LAB_CONFIG);
    expect(labServers(1)).toMatchObject([{ name: 'server1', ...ADDRESS.server1, port: 'lan1' }]);
    expect(nameList(1)).toEqual(['client', 'client2', 'router', 'server1', 'internet']);
  });

  it('gives each a name, addresses, a MAC and a bridge port of its own', () => {
    const servers = labServers(MOST_SERVERS);
    for (const what of ['name', 'v4', 'v6', 'mac', 'port'] as const)
      expect(new Set(servers.map((server) => server[what])).size).toBe(MOST_SERVERS);
    const taken = servers.flatMap(({ v4, v6 }) => [v4, v6]);
    for (const { v4, v6 } of [ADDRESS.client, ADDRESS.router])
      expect([taken.includes(v4), taken.includes(v6)]).toEqual([false, false]);
    const topology = labTopology(MOST_SERVERS);
    expect(serversOf(topology)).toBe(MOST_SERVERS);
    const router = topology.nodes.find(({ name }) => name === 'router')!;
    const ports = router.bridges!.flatMap((bridge) => bridge.ports);
    expect(ports).toEqual(['lan0', ...servers.map(({ port }) => port)]);
    for (const { name, port } of servers)
      expect(topology.links).toContainEqual([`${name}:eth0`, `router:${port}`]);
    expect(router.interfaces.map(({ name }) => name)).toEqual(expect.arrayContaining(ports));
  });

  it.each([0, 17, 1.5, Number.NaN])('has no %s servers', (count) => {
    expect(() => labTopology(count)).toThrow(expect.objectContaining({ code: 'lab-servers' }));
  });
});
