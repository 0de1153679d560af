/** What a relay tells the router of itself: read by a socket on the router. */
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { heartbeatFileText } from '../../control/heartbeat/key-file.js';
import {
  decodeHeartbeat,
  type Heartbeat,
  heartbeatSecrets,
} from '../../control/heartbeat/message.js';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLI, Fixture, peer, url, waitFor } from './fixture.js';
import { FREEZE, Service } from './service.js';

const KEY = '5a'.repeat(32);
/** No port that a router's table knows anything of. */
const PORT = 9955;
const PLACE = '/run/sidetrack/netns/server1/heartbeat.json';

interface Heard extends Heartbeat {
  at: number;
  from: string;
}

let fixture: Fixture;
let service: Service | undefined;
let others: LabProcess[] = [];
const heard: Heard[] = [];

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
  const argv = [process.execPath, peer('heartbeats'), ADDRESS.router.v4, String(PORT)];
  const router = fixture.lab.spawn('router', argv);
  createInterface({ input: router.child.stdout! }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const { at, from, hex } = JSON.parse(line) as { at: number; from: string; hex: string };
    const beat = decodeHeartbeat(Buffer.from(hex, 'hex'), heartbeatSecrets(KEY));
    if (typeof beat === 'string') throw new Error(`a heartbeat with a wrong ${beat}`);
    heard.push({ ...beat, at, from });
  });
  await leaveKey();
});
afterEach(async () => {
  for (const one of others) {
    one.signal('SIGKILL');
    await one.exited;
  }
  others = [];
  await service?.stop();
  service = undefined;
  fixture.configure(LAB_CONFIG);
});
afterAll(() => fixture?.stop());

const inLab = (script: string, ...args: string[]) =>
  fixture.lab.check('server1', ['sh', '-c', script, 'sh', ...args]);

async function leaveKey(): Promise<void> {
  const text = heartbeatFileText({
    ...{ server: 'server1', key: KEY, from: ADDRESS.server1.v4 },
    to: [{ address: ADDRESS.router.v4, port: PORT }],
  });
  await inLab('printf %s "$1" > "$2.new" && mv "$2.new" "$2"', text, PLACE);
}

async function begin(relay = ''): Promise<Service> {
  fixture.configure(`${LAB_CONFIG}${relay}`);
  service = await Service.start(fixture);
  await until('a fit server', ({ fit4, reason }) => fit4 && reason === 'ok');
  return service;
}

/** The first that is so, of those that come from now on. */
async function until(what: string, is: (one: Heard) => boolean): Promise<Heard> {
  const from = heard.length;
  const found = () => heard.slice(from).find(is);
  await waitFor(what, () => found() !== undefined, 30_000);
  return found()!;
}

const words = ({ fit4, fit6, leaving, reason }: Heard) =>
  [fit4 && 'IPv4', fit6 && 'IPv6', leaving && 'leaving', reason].filter(Boolean).join(' ');

describe("a relay's heartbeats", () => {
  it('say what is wrong, and that it is over: descriptors, a thread, a stop of all', async () => {
    const relay = await begin('relay: { threads: 2 }\n');
    const first = heard.at(-1)!;
    expect(words(first)).toBe('IPv4 IPv6 ok');
    expect(first.from).toBe(`${ADDRESS.server1.v4} 9160`);

    const pid = String(relay.pid());
    const few = await inLab('ls /proc/$1/fd | wc -l', pid);
    await fixture.lab.check('server1', ['prlimit', '--pid', pid, `--nofile=${few.trim()}:`]);
    const short = await until('too few descriptors', ({ reason }) => reason === 'descriptors');
    expect(words(short)).toBe('descriptors');
    expect(short.from).toBe(`${ADDRESS.server1.v4} 9166`);
    await fixture.lab.check('server1', ['prlimit', '--pid', pid, '--nofile=1000:']);
    await until('enough of them', ({ reason }) => reason === 'ok');

    const thread = `for t in /proc/${pid}/task/*; do grep -q '^relay/1' $t/comm && exec ${FREEZE} \${t##*/}; done`;
    const freezer = fixture.lab.spawn('server1', ['sh', '-c', thread]);
    others.push(freezer);
    // That it does not accept may be found first, where its own connection waits for that very thread.
    const frozen = await until('a frozen thread', ({ reason }) => reason === 'threads');
    expect(words(frozen)).toBe('threads');
    freezer.child.stdin!.end();
    await until('one that turns again', ({ reason }) => reason === 'ok');

    await relay.signal('STOP');
    const silent = heard.length;
    const since = Date.now();
    await waitFor('the time-out of a router', () => Date.now() - since > 2500);
    // One may have been under way.
    expect(heard.length - silent).toBeLessThanOrEqual(1);
    await relay.signal('CONT');
    await until('it again', ({ reason }) => reason === 'ok');
    // None of its own connections was a client's, or a loop.
    expect(await fixture.metric('sidetrack_relay_accepted_total{family="ipv4"}')).toBe(0);
  });

  it('judge each family by its upstreams, and follow the file', { tags: ['long'] }, async () => {
    const target = (address: string) => `"${address}"`;
    const probe = `relay:
  probe:
    url: [${target(url(ADDRESS.internet.v4, '/bytes/1', 80))}, ${target(url(ADDRESS.internet.v6, '/bytes/1', 80))}]
    interval_seconds: 1
    timeout_seconds: 1
`;
    await begin(probe);
    const block = (family: string) =>
      inLab(
        'nft add table inet b && nft add chain inet b o "{ type filter hook output priority 0; }" && nft add rule inet b o meta skuid 0 "$1" daddr "$2" drop',
        family,
        family === 'ip6' ? ADDRESS.internet.v6 : ADDRESS.internet.v4,
      );
    const open = () => inLab('nft delete table inet b');
    await block('ip6');
    expect(words(await until('no IPv6', ({ fit6 }) => !fit6))).toBe('IPv4 upstreams');
    await open();
    await until('IPv6', ({ fit4, fit6 }) => fit4 && fit6);
    await block('ip');
    expect(words(await until('no IPv4', ({ fit4 }) => !fit4))).toBe('IPv6 upstreams');
    await open();
    await until('IPv4', ({ fit4, fit6 }) => fit4 && fit6);

    await inLab('rm "$1"', PLACE);
    const silent = heard.length;
    await waitFor('silence', () => Date.now() - (heard.at(-1)?.at ?? 0) > 1500);
    await leaveKey();
    await waitFor('heartbeats again', () => heard.length > silent);
  });

  it('go on through a hand-over without a gap, a word of doubt or two who send', async () => {
    const relay = await begin();
    const from = heard.length - 1;
    for (let i = 0; i < 2; i++) {
      const old = await relay.handOver();
      await relay.until('the old relay to end', () => relay.ended(old));
      await until('the successor', ({ reason }) => reason === 'ok');
    }
    const beats = heard.slice(from);
    expect(beats.map(words).filter((one) => one !== 'IPv4 IPv6 ok')).toEqual([]);
    for (const [i, { counter, at }] of beats.slice(1).entries()) {
      expect(counter).toBeGreaterThan(beats[i]!.counter);
      expect(at - beats[i]!.at).toBeLessThan(2000);
    }
  });

  it('say that it leaves before it refuses anybody', async () => {
    const relay = await begin();
    const pid = relay.pid();
    await relay.signal('TERM');
    const leaving = await until('it to leave', (one) => one.leaving);
    expect(words(leaving)).toBe('leaving leaving');
    // What the router had sent by then is still served.
    expect((await fixture.download('client', url(ADDRESS.internet.v4, '/bytes/1000'))).status).toBe(
      0,
    );
    await relay.until('the relay to end', () => relay.ended(pid));
    expect(relay.lines).toContain(`ended ${pid} 0`);
    expect(heard.slice(-3).every((one) => one.leaving)).toBe(true);
    expect(relay.said).not.toContain('5a5a');
  });
});

describe('sidetrack heartbeat', () => {
  it('says whether a program of others accepts, and what its check says', async () => {
    const check =
      '    program: external\n    check: { command: "test -e /run/check", interval_seconds: 1 }\n';
    fixture.configure(LAB_CONFIG.replace('    program: relay\n', check));
    await inLab('touch /run/check');
    const beats = fixture.lab.spawn('server1', [
      process.execPath,
      CLI,
      'heartbeat',
      '-c',
      fixture.configFile,
    ]);
    others.push(beats);
    expect(words(await until('nobody accepts', () => true))).toBe('port');
    const listen = 'require("net").createServer((s) => s.destroy()).listen(12345, "::")';
    const program = fixture.lab.spawn('server1', [process.execPath, '-e', listen]);
    others.push(program);
    await until('a program that accepts', (one) => words(one) === 'IPv4 IPv6 ok');
    await inLab('rm /run/check');
    await until('a check that fails', (one) => words(one) === 'check');
    await inLab('touch /run/check');
    await until('one that succeeds', (one) => words(one) === 'IPv4 IPv6 ok');
    program.signal('SIGKILL');
    await until('nobody accepts', (one) => words(one) === 'port');
    beats.signal('SIGTERM');
    await until('it to leave', (one) => one.leaving);
    await beats.exited;
  });
});
