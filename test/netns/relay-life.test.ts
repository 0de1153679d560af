/** The relay as a service: replaced under load, killed, stopped, watched. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { FREEZE, Service } from './service.js';

const host = ADDRESS.internet.v4;
const relayWith = (lines: string) => `${LAB_CONFIG}relay:\n${lines}`;

let fixture: Fixture;
let service: Service | undefined;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
});
afterEach(async () => {
  await service?.stop();
  service = undefined;
  // One that a test made a pipe of would block us.
  rmSync(fixture.configFile);
  fixture.configure(LAB_CONFIG);
});
afterAll(() => fixture?.stop());

async function begin(options?: Parameters<typeof Service.start>[1]): Promise<Service> {
  service = await Service.start(fixture, options);
  return service;
}

interface Knocked {
  attempts: number;
  failed: Record<string, number>;
  wrong: number;
  perSecond: number;
}

/** Opens connections all the while. @returns how to stop it and what it has seen. */
async function knock(address: string = host): Promise<() => Promise<Knocked>> {
  const client = await fixture.startPeer('client', 'knock', 'first', address, '8');
  let last = '';
  createInterface({ input: client.child.stdout! }).on('line', (line) => {
    last = line;
  });
  return async () => {
    client.child.stdin!.end();
    await client.exited;
    return JSON.parse(last) as Knocked;
  };
}

async function download(): Promise<string> {
  return (await fixture.download('client', url(host, '/bytes/100000'))).digest;
}
const DIGEST = pseudoRandomDigest(100_000);

describe('a hand-over', () => {
  it.each(FAMILIES)('fails not one connection under load over %s, three times', async (family) => {
    const relay = await begin();
    const finish = await knock(ADDRESS.internet[family]);
    for (let i = 0; i < 3; i++) {
      const old = await relay.handOver();
      await relay.until('the old relay to end', () => relay.ended(old));
      expect(relay.lines).toContain(`ended ${old} 0`);
    }
    const { attempts, failed, wrong } = await finish();
    expect({ failed, wrong }).toEqual({ failed: {}, wrong: 0 });
    expect(attempts).toBeGreaterThan(100);
  });

  it.each([
    ['more', 1, 5],
    ['fewer', 5, 2],
  ])('fails none either when the new one has %s threads', async (_, from, to) => {
    fixture.configure(relayWith(`  threads: ${from}\n`));
    const relay = await begin();
    const finish = await knock();
    fixture.configure(relayWith(`  threads: ${to}\n`));
    const old = await relay.handOver();
    await relay.until('the old relay to end', () => relay.ended(old));
    for (let i = 0; i < 40; i++) expect(await download()).toBe(DIGEST);
    expect(await finish()).toMatchObject({ failed: {}, wrong: 0 });
    expect(relay.said).toContain(`with ${to} threads`);
  });

  it('lets the connections of the old relay finish in it', async () => {
    const relay = await begin();
    const held = await holdConnection(fixture, 'client');
    const old = await relay.handOver();
    for (let i = 0; i < 20; i++) await held.roundTrip(`line ${i}`);
    expect(await download()).toBe(DIGEST);
    expect(relay.ended(old)).toBe(false);
    await held.end();
    await relay.until('the old relay to end', () => relay.ended(old));
    expect(relay.lines).toContain(`ended ${old} 0`);
  });

  it('cuts them off at the deadline, and not before', async () => {
    fixture.configure(relayWith('  drain_seconds: 3\n'));
    const relay = await begin();
    const held = await holdConnection(fixture, 'client');
    const from = Date.now();
    const old = await relay.handOver();
    await held.roundTrip('still here');
    await relay.until('the old relay to end', () => relay.ended(old));
    expect(Date.now() - from).toBeGreaterThan(2900);
    await expect(held.roundTrip('too late')).rejects.toThrow();
    expect(relay.said).toContain('1 connection was cut off');
    expect(await download()).toBe(DIGEST);
  });

  it('waits without a deadline by default, and a stop of all bounds that', async () => {
    const relay = await begin();
    const held = await holdConnection(fixture, 'client');
    const old = await relay.handOver();
    await waitFor('a word of it', () => relay.said.includes('may finish however long that takes'));
    await held.roundTrip('still here');
    await relay.signal('TERM', old);
    await waitFor('the bound', () => relay.said.includes('may go on within 30 s'));
    await held.roundTrip('still here, for a while');
    await relay.signal('TERM', old);
    await relay.until('the old relay to end', () => relay.ended(old));
    expect(relay.said).toContain('1 connection was cut off');
    await expect(held.roundTrip('too late')).rejects.toThrow();
    expect(await download()).toBe(DIGEST);
  });

  it('leaks nothing in ten of them, and the pages follow', async () => {
    const relay = await begin();
    await relay.until('the pages', () => relay.said.includes('/metrics'));
    // Before any traffic: how many pipes are kept for splicing is the traffic's affair.
    const before = await relay.descriptors();
    for (let i = 0; i < 10; i++) {
      const old = await relay.handOver();
      await relay.until('the old relay to end', () => relay.ended(old));
    }
    await expect.poll(() => relay.descriptors()).toEqual(before);
    expect(await download()).toBe(DIGEST);
    expect(await fixture.metric('sidetrack_relay_connections_total{family="ipv4"}')).toBe(1);
  });

  it('is done once for two signals in a row', async () => {
    const relay = await begin();
    const old = relay.pid();
    await relay.signal('USR2');
    await relay.handOver();
    await relay.until('the old relay to end', () => relay.ended(old));
    expect(relay.matching(/MAINPID=/)).toBe(1);
    expect(await download()).toBe(DIGEST);
  });

  it('is not done, and both end, when SIGTERM comes in the middle', async () => {
    const relay = await begin();
    const old = relay.pid();
    await relay.signal('USR2');
    await relay.signal('TERM');
    await relay.until('the relay to end', () => relay.ended(old));
    expect(relay.lines).toContain(`ended ${old} 0`);
    expect(relay.matching(/MAINPID=/)).toBe(0);
    const { stdout } = await fixture.lab.run('server1', ['pgrep', '-f', fixture.configFile]);
    const relays = await Promise.all(
      stdout
        .trim()
        .split('\n')
        .map((pid) => fixture.lab.run('server1', ['cat', `/proc/${pid}/comm`])),
    );
    expect(relays.filter((one) => one.stdout.includes('node'))).toEqual([]);
  });
});

describe('a hand-over that fails', () => {
  async function expectRefusal(relay: Service, why: RegExp): Promise<void> {
    const pid = relay.pid();
    const held = await holdConnection(fixture, 'client');
    const finish = await knock();
    await relay.signal('USR2');
    await waitFor('the refusal', () => why.test(relay.said), 40_000);
    expect(await finish()).toMatchObject({ failed: {}, wrong: 0 });
    await held.roundTrip('as before');
    await held.end();
    expect(relay.pid()).toBe(pid);
    expect(relay.lines.at(-1)).toMatch(/^notify \d+ STATUS=relaying; the last hand-over failed/);
    fixture.configure(LAB_CONFIG);
    await relay.handOver();
    expect(await download()).toBe(DIGEST);
  }

  it('by a mistake in the configuration changes nothing, and the next succeeds', async () => {
    const relay = await begin();
    fixture.configure(`${LAB_CONFIG}nonsense: 1\n`);
    await expectRefusal(
      relay,
      /not handed over:.* it ended with exit status 2; this relay goes on/,
    );
    expect(relay.said).toContain('nonsense');
  });

  it('by a metrics address that is not here changes nothing', async () => {
    const relay = await begin();
    fixture.configure(relayWith('  metrics: { address: 192.0.2.77 }\n'));
    await expectRefusal(relay, /not handed over:.* exit status 1/);
    expect(relay.said).toContain('192.0.2.77:9150 cannot be used');
  });

  // Its time-out has to pass.
  it('by a program that hangs changes nothing', { tags: 'long' }, async () => {
    const relay = await begin();
    await fixture.lab.check('server1', [
      'sh',
      '-c',
      `rm ${fixture.configFile} && mkfifo ${fixture.configFile}`,
    ]);
    await relay.signal('USR2');
    await waitFor('the time-out', () => /it was not ready within 20 s/.test(relay.said), 40_000);
    await fixture.lab.check('server1', ['rm', fixture.configFile]);
    fixture.configure(LAB_CONFIG);
    expect(await download()).toBe(DIGEST);
    await relay.handOver();
    expect(await download()).toBe(DIGEST);
  });

  it('because the port has changed opens the new one and says so', async () => {
    const relay = await begin();
    fixture.configureWith([['port: 12345', 'port: 12346']]);
    await relay.handOver();
    expect(relay.said).toContain('it listens elsewhere, on port 12345');
    expect(relay.said).toContain('opened port 12346 instead');
    const ports = await fixture.lab.check('server1', ['ss', '-Hltn']);
    expect(ports).toContain(':12346');
    await expect
      .poll(async () => fixture.lab.check('server1', ['ss', '-Hltn', 'sport = :12345']))
      .toBe('');
  });
});

describe('killed with -9', () => {
  it('leaves nobody waiting, and a restart serves at once on the same port', async () => {
    const relay = await fixture.startRelay();
    const cut = fixture.download('client', url(host, '/bytes/2000000000'));
    await waitFor('bytes to flow', async () => {
      return (await fixture.metric('sidetrack_relay_bytes_total{direction="download"}')) > 1e6;
    });
    relay.signal('SIGKILL');
    await relay.exited;
    // curl: 18 is an end too early, 56 a reset.
    expect([18, 56]).toContain((await cut).status);
    const next = await fixture.startRelay();
    expect(await download()).toBe(DIGEST);
    next.signal('SIGTERM');
    expect(await next.exited).toBe(0);
  });

  it('loses nobody who knocks meanwhile when the service manager keeps the sockets', async () => {
    const relay = await begin();
    expect(relay.matching(/^stored relay-\d+$/)).toBeGreaterThan(0);
    const pid = relay.pid();
    await relay.signal('KILL', pid);
    await relay.until('it to end', () => relay.ended(pid));
    const waiting = Array.from({ length: 30 }, download);
    await waitFor('clients to be connected', async () => {
      const text = await fixture.lab.check('client', ['ss', '-Htn', 'state', 'established']);
      return text.trim().split('\n').length >= 30;
    });
    await relay.begin();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([DIGEST]));
    // What it found in the store it has not stored again.
    const stored = relay.matching(/^stored/);
    expect(relay.lines.findLast((line) => line.startsWith('started'))).toMatch(
      new RegExp(` ${stored}$`),
    );
  });
});

describe('the service manager', () => {
  it('is told of start, hand-over and stop, by path and by abstract name', async () => {
    for (const socket of [join(fixture.directory, 'notify'), '@sidetrack-test']) {
      const relay = await begin({ socket });
      const first = relay.pid();
      expect(relay.lines).toContainEqual(
        expect.stringMatching(`^notify ${first} READY=1\\|STATUS=relay on port 12345`),
      );
      await relay.handOver();
      const second = relay.pid();
      expect(relay.lines).toContain(`notify ${first} MAINPID=${second}`);
      await relay.signal('TERM');
      await relay.until('the stop', () => relay.ended(second));
      expect(relay.lines).toContainEqual(
        expect.stringMatching(`^notify ${second} STOPPING=1.*EXTEND_TIMEOUT_USEC=40000000`),
      );
      expect(relay.matching(/^ignored/)).toBe(0);
      await relay.stop();
      service = undefined;
    }
  });

  it('hears the watchdog while every thread turns, busy or idle, and not when one hangs', async () => {
    const relay = await begin({ watchdogMs: 1000 });
    const beats = () => relay.matching(new RegExp(`^notify ${relay.pid()} WATCHDOG=1`));
    await relay.until('idle beats', () => beats() >= 4);
    const finish = await knock();
    const before = beats();
    await relay.until('busy beats', () => beats() >= before + 4);
    await finish();
    await relay.handOver();
    await relay.until('beats of the successor', () => beats() >= 4);

    const freezer = await freezeThread(relay.pid());
    const frozen = beats();
    const since = Date.now();
    await waitFor('five intervals', () => Date.now() - since > 2500);
    // One may have been under way.
    expect(beats() - frozen).toBeLessThanOrEqual(1);
    freezer.child.stdin!.end();
    await relay.until('beats again', () => beats() >= frozen + 3);
  });

  async function freezeThread(pid: number): Promise<LabProcess> {
    const script = `for t in /proc/${pid}/task/*; do grep -q '^relay/1' $t/comm && exec ${FREEZE} \${t##*/}; done`;
    const freezer = fixture.lab.spawn('server1', ['sh', '-c', script]);
    for await (const line of createInterface({ input: freezer.child.stdout! }))
      if (line === 'frozen') return freezer;
    throw new Error('no thread was frozen');
  }

  // An ordinary user's namespace knows no other user.
  it.skipIf(process.getuid!() !== 0)('may run it as nobody without any capability', async () => {
    const prefix = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'];
    const bare = [
      '--inh-caps=-all',
      '--ambient-caps=-all',
      '--bounding-set=-all',
      '--no-new-privs',
    ];
    await fixture.lab.check('server1', ['chmod', '755', fixture.directory]);
    const relay = await begin({ prefix: [...prefix, ...bare] });
    expect(await download()).toBe(DIGEST);
    await relay.handOver();
    expect(await download()).toBe(DIGEST);
    const pid = relay.pid();
    await relay.signal('KILL');
    await relay.until('it to end', () => relay.ended(pid));
    await relay.begin();
    expect(await download()).toBe(DIGEST);
  });
});
