/** Names of upstreams that resolve late, change, or stop resolving, while the relay runs. */
import { beforeEach, describe, expect, it } from 'vitest';
import { nameWatch } from '../../../control/cli/relay/name-watch.js';
import { Names } from '../../../control/cli/relay/names.js';
import type { UpstreamConfig } from '../../../control/config/config.js';

const proxy = (name: string, host: string, addresses?: string[]): UpstreamConfig => ({
  name,
  target: { kind: 'socks5', host, port: 1080 },
  weight: 1,
  ...(addresses !== undefined && { addresses }),
});

/** A resolver, a relay and a clock of our own. */
class World {
  answers: Record<string, string[] | string> = {};
  asked: string[] = [];
  upstreams: UpstreamConfig[] = [proxy('vps', 'vps.test')];
  inUse = new Map<string, readonly string[]>();
  set: [string, readonly string[]][] = [];
  said: string[] = [];
  private readonly look: (nowMs: number) => Promise<void>;

  constructor() {
    const names = new Names({}, async (host) => {
      this.asked.push(host);
      const answer = this.answers[host] ?? 'ENOTFOUND';
      if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer });
      return answer;
    });
    this.look = nameWatch(
      {
        upstreams: () => this.upstreams,
        addressesOf: (name) => this.inUse.get(name) ?? [],
        readdress: (name, addresses) => {
          this.set.push([name, addresses]);
          this.inUse.set(name, addresses);
        },
      },
      names,
      (line) => this.said.push(line),
    );
  }

  /** @returns how often the resolver was asked from one second to another. */
  async pass(from: number, to: number): Promise<number> {
    const before = this.asked.length;
    for (let second = from; second < to; second++) await this.look(second * 1000);
    return this.asked.length - before;
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

describe('a name', () => {
  it('that does not resolve is asked for again, ever more seldom, and told of once', async () => {
    expect(await world.pass(0, 64)).toBe(7); // at 0, 1, 3, 7, 15, 31, 63
    expect(await world.pass(64, 364)).toBe(5); // once a minute
    expect(world.said).toHaveLength(1);
    expect(world.said[0]).toMatch(
      /cannot resolve vps.test for upstream "vps" \(ENOTFOUND\): trying again; .*not reachable/,
    );
    world.answers['vps.test'] = ['192.0.2.1'];
    await world.pass(364, 430);
    expect(world.set).toEqual([['vps', ['192.0.2.1']]]);
    expect(world.said[1]).toBe('upstream "vps": vps.test is 192.0.2.1');
  });

  it('whose addresses change is told to the relay, another order is not', async () => {
    world.answers['vps.test'] = ['192.0.2.2', '192.0.2.1'];
    await world.pass(0, 1);
    world.answers['vps.test'] = ['192.0.2.1', '192.0.2.2'];
    await world.pass(1, 130);
    expect(world.set).toHaveLength(1);
    world.answers['vps.test'] = ['192.0.2.3'];
    await world.pass(130, 200);
    expect(world.set[1]).toEqual(['vps', ['192.0.2.3']]);
    expect(world.said.at(-1)).toBe(
      'upstream "vps": vps.test is 192.0.2.3 (was 192.0.2.1, 192.0.2.2)',
    );
  });

  it('that resolves no more keeps its addresses, and is told of again when it fails anew', async () => {
    world.answers['vps.test'] = ['192.0.2.1'];
    await world.pass(0, 1);
    world.answers['vps.test'] = 'EAI_AGAIN';
    await world.pass(1, 200);
    expect(world.set).toHaveLength(1);
    expect(world.said).toHaveLength(2);
    expect(world.said[1]).toContain('(EAI_AGAIN): trying again; still using 192.0.2.1');
  });

  it('of several upstreams is asked for once, with the addresses of each', async () => {
    world.upstreams = [proxy('a', 'vps.test'), proxy('b', 'vps.test', ['192.0.2.9'])];
    world.answers['vps.test'] = ['192.0.2.1'];
    expect(await world.pass(0, 30)).toBe(1);
    expect(world.set).toEqual([
      ['a', ['192.0.2.1']],
      ['b', ['192.0.2.1', '192.0.2.9']],
    ]);
  });

  it('is not asked for where it is an address, or gone by a reload', async () => {
    world.upstreams = [proxy('a', '192.0.2.1'), proxy('b', '2001:db8::1')];
    expect(await world.pass(0, 100)).toBe(0);
    world.upstreams = [proxy('c', 'vps.test')];
    expect(await world.pass(100, 101)).toBe(1);
  });
});
