import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startBeats } from '../../../control/cli/heartbeat/beats.js';
import type { Fitness } from '../../../control/heartbeat/fitness.js';
import { heartbeatFileText } from '../../../control/heartbeat/key-file.js';
import {
  decodeHeartbeat,
  type Heartbeat,
  heartbeatSecrets,
} from '../../../control/heartbeat/message.js';

const KEY = 'cd'.repeat(32);
const SOON = { timeout: 10_000, interval: 10 };

interface Heard {
  beat: ReturnType<typeof decodeHeartbeat>;
  from: RemoteInfo;
}

/** A router that only listens. */
async function router() {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  const heard: Heard[] = [];
  socket.on('message', (bytes, from) =>
    heard.push({ beat: decodeHeartbeat(bytes, heartbeatSecrets(KEY)), from }),
  );
  return { heard, port: socket.address().port };
}

/** Every test has an address of its own, so that the ports of reasons are free. */
let last = 10;

async function begin({ key = KEY, hasFile = true, port = 0 } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'sidetrack-beats-'));
  const listening = await router();
  const from = `127.0.55.${last++}`;
  const place = { file: join(directory, 'heartbeat.json'), counter: join(directory, 'counter') };
  const to = [{ address: '127.0.0.1', port: port || listening.port }];
  const write = () => {
    writeFileSync(`${place.file}.new`, heartbeatFileText({ server: 's1', key, from, to }));
    renameSync(`${place.file}.new`, place.file);
  };
  if (hasFile) write();
  const lines: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  const judged: { now: Fitness | undefined; rests: number } = {
    now: { fit: ['ipv4'], reason: 'ok' },
    rests: 0,
  };
  const start = () =>
    startBeats(place, { judge: () => judged.now, rest: () => void judged.rests++ });
  const beats = start();
  onTestFinished(() => {
    beats.end();
    spy.mockRestore();
    rmSync(directory, { recursive: true });
  });
  return { ...listening, from, place, write, lines, judged, beats, start };
}

const beatOf = ({ beat }: Heard): Heartbeat => {
  if (typeof beat === 'string') throw new Error(beat);
  return beat;
};

describe('heartbeats', () => {
  it('come from the address and port of the reason, and their counter only goes up', async () => {
    const { heard, judged, from, lines } = await begin();
    await vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(2), SOON);
    judged.now = { fit: [], reason: 'upstreams' };
    await vi.waitFor(() => expect(beatOf(heard.at(-1)!).reason).toBe('upstreams'), SOON);
    expect(beatOf(heard[0]!)).toMatchObject({ fit4: true, fit6: false, leaving: false });
    expect(heard[0]!.from).toMatchObject({ address: from, port: 9160 });
    expect(heard.at(-1)!.from).toMatchObject({ address: from, port: 9165 });
    const counters = heard.map((one) => beatOf(one).counter);
    expect(counters.toSorted((a, b) => Number(a - b))).toEqual(counters);
    expect(new Set(counters).size).toBe(counters.length);
    // A line for each change, and none with a secret.
    expect(lines.map((line) => line.replace(/^heartbeat to \S+ /, ''))).toEqual([
      'fit for IPv4\n',
      'not fit: none of its upstreams is up (upstreams)\n',
    ]);
  });

  it('begin when the file comes, follow it, and end when it goes', async () => {
    const { heard, beats, write, place, judged } = await begin({ hasFile: false });
    expect(beats.said).toBeUndefined();
    write();
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), SOON);
    expect(beats.said).toMatchObject({ fit: ['ipv4'], reason: 'ok' });
    rmSync(place.file);
    await vi.waitFor(() => expect(beats.said).toBeUndefined(), SOON);
    expect(judged.rests).toBe(1);
    const until = heard.length;
    write();
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(until), SOON);
  });

  it('do not say anything while nothing is known, and then that it starts', async () => {
    const { heard, judged, beats } = await begin({ hasFile: true });
    judged.now = undefined;
    await vi.waitFor(() => expect(beats.said?.reason).toBe('starting'), SOON);
    await vi.waitFor(() => expect(beatOf(heard.at(-1)!).reason).toBe('starting'), SOON);
    expect(beatOf(heard.at(-1)!)).toMatchObject({ fit4: false, fit6: false, leaving: false });
  });

  it('say several times at once that it leaves, and go on saying so', async () => {
    const { heard, beats } = await begin();
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), SOON);
    const before = heard.length;
    expect(await beats.leave()).toBe(true);
    await vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(before + 6), SOON);
    for (const one of heard.slice(before))
      expect(beatOf(one)).toMatchObject({ leaving: true, fit4: false, reason: 'leaving' });
  });

  it('of a relay that is started anew go on above those before, though the clock is behind', async () => {
    const { heard, beats, start, place } = await begin();
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), SOON);
    beats.end();
    const before = beatOf(heard.at(-1)!).counter;
    const clock = vi.spyOn(Date, 'now').mockReturnValue(1_000_000);
    onTestFinished(() => clock.mockRestore());
    const count = heard.length;
    const again = start();
    onTestFinished(() => again.end());
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(count), SOON);
    expect(beatOf(heard.at(-1)!).counter).toBeGreaterThan(before);
    expect(BigInt(readFileSync(place.counter, 'utf8'))).toBeGreaterThan(before);
  });

  it('use another port where that of the reason is taken', async () => {
    const taken = createSocket('udp4');
    taken.bind(9160, `127.0.55.${last}`);
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const { heard, from } = await begin();
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), SOON);
    expect(heard[0]!.from.address).toBe(from);
    expect(heard[0]!.from.port).not.toBe(9160);
  });

  it('go on where nobody listens, and a damaged file is told once, without what it holds', async () => {
    const { place, lines, beats } = await begin({ port: 9 });
    await vi.waitFor(() => expect(beats.said).toBeDefined(), SOON);
    writeFileSync(place.file, readFileSync(place.file, 'utf8').slice(0, 100));
    await vi.waitFor(() => expect(beats.said).toBeUndefined(), SOON);
    expect(lines.filter((line) => line.includes('is damaged'))).toHaveLength(1);
    expect(lines.join('')).not.toContain('cdcd');
  });
});
