/** What a relay tells of itself, from what its engine says. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { relayJudge } from '../../../control/cli/relay/fitness.js';
import { parseConfig } from '../../../control/config/load.js';
import type { RelayStats } from '../../../proxy/stats.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  return () => vi.useRealTimers();
});

async function begin() {
  const config = await parseConfig(
    'x.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2, port: 1 }]
`,
  );
  /** What the engine says now. */
  const engine = {
    hanging: 0,
    waited: 0 as number | undefined,
    asked: [] as boolean[],
    active: 0,
    pauses: { paused_descriptors: 0, paused_memory: 0, paused_connections: 0 },
    listening: ['ipv4'],
  };
  const judge = relayJudge(
    {
      hangingThreads: () => engine.hanging,
      notAccepting(on = true) {
        engine.asked.push(on);
        return engine.waited;
      },
      active: () => engine.active,
      maxConnections: 100,
      stats: () =>
        ({
          counters: { ...engine.pauses, active: engine.active, pipes: 0 },
          listening: engine.listening,
          upstreams: [],
        }) as unknown as RelayStats,
    },
    () => ({ relay: { ...config.relay, upstreams: [] } }),
    config.servers[0]!,
  );
  /** Half a second later. */
  const reason = () => {
    vi.advanceTimersByTime(500);
    return judge.judge()?.reason;
  };
  return { engine, judge, reason };
}

describe('a relay that judges itself', () => {
  it('knows nothing before it has accepted a connection', async () => {
    const { engine, reason } = await begin();
    engine.waited = 1;
    expect(reason()).toBeUndefined();
    engine.waited = 0;
    expect(reason()).toBe('ok');
    engine.waited = 1000;
    expect(reason()).toBe('listener');
  });

  it('is busy while it has as many connections as it may, and a second longer', async () => {
    const { engine, reason } = await begin();
    engine.waited = 5000;
    engine.active = 100;
    expect(reason()).toBe('ok');
    engine.active = 99;
    engine.pauses.paused_connections++;
    expect(reason()).toBe('ok');
    expect(reason()).toBe('ok');
    expect(reason()).toBe('listener');
    engine.pauses.paused_connections++;
    expect(reason()).toBe('ok');
  });

  it('tells of other pauses once', async () => {
    const { engine, reason } = await begin();
    engine.pauses.paused_descriptors = 7;
    expect(reason()).toBe('ok');
    engine.pauses.paused_descriptors++;
    expect(reason()).toBe('descriptors');
    expect(reason()).toBe('ok');
  });
});

describe('while a successor starts', () => {
  it('makes no connection, and judges all else', async () => {
    const { engine, judge, reason } = await begin();
    expect(reason()).toBe('ok');
    judge.holdBack(true);
    engine.asked = [];
    engine.waited = 5000;
    expect(reason()).toBe('ok');
    engine.listening = [];
    expect(reason()).toBe('upstreams');
    engine.listening = ['ipv4'];
    engine.pauses.paused_memory++;
    expect(reason()).toBe('memory');
    engine.hanging = 1;
    expect([reason(), reason(), reason()].at(-1)).toBe('threads');
    expect(engine.asked).toEqual([]);
    engine.hanging = 0;
    judge.holdBack(false);
    expect(reason()).toBe('listener');
  });

  it('is not said to accept when it did not before', async () => {
    const { engine, judge, reason } = await begin();
    expect(reason()).toBe('ok');
    engine.waited = 2000;
    expect(reason()).toBe('listener');
    judge.holdBack(true);
    engine.waited = undefined;
    expect(reason()).toBe('listener');
  });
});
