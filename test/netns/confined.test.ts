/** The relay under what its systemd unit allows, and not one system call more. */
import { chmodSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { allowedCalls, confinement, parseUnit, type Unit } from './confinement.js';
import { CLI, FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { missingPrograms, requireAll } from './rivals/installed.js';
import { Service } from './service.js';

const REDIRECT = LAB_CONFIG;
const TPROXY = LAB_CONFIG.replace('program: relay', 'capture: tproxy\n    program: relay');
const BULK = 20_000_000;
/** By SIGSYS, as a shell would say it. */
const KILLED = 128 + 31;

const missing = missingPrograms(['systemd-analyze', 'setpriv']);
const cannot = process.getuid!() !== 0 || missing.length > 0;

let fixture: Fixture;
let service: Service | undefined;

describe.skipIf(cannot && !requireAll)('under the filters of its systemd unit the relay', () => {
  beforeAll(async () => {
    fixture = await Fixture.start();
    chmodSync(fixture.directory, 0o755);
  });
  afterAll(() => fixture?.stop());
  afterEach(async () => {
    await service?.stop();
    service = undefined;
  });

  /** What `sidetrack service` would have systemd do with this configuration. */
  async function unitOf(yaml: string): Promise<Unit> {
    fixture.configure(yaml);
    return parseUnit(await fixture.succeed('service'));
  }

  async function start(yaml: string): Promise<Service> {
    const prefix = confinement(await unitOf(yaml), fixture.directory);
    service = await Service.start(fixture, { prefix, watchdogMs: 2000, sanitized: false });
    await fixture.succeed('apply');
    return service;
  }

  async function bulk(family: 'v4' | 'v6' = 'v4'): Promise<string> {
    const address = ADDRESS.internet[family];
    return (await fixture.download('client', url(address, `/bytes/${BULK}`))).digest;
  }
  const digest = pseudoRandomDigest(BULK);

  it.each([
    ['redirect', REDIRECT],
    ['tproxy', TPROXY],
  ])('relays both families with capture %s', async (_, yaml) => {
    const relay = await start(yaml);
    for (const family of FAMILIES) expect(await bulk(family)).toBe(digest);
    expect(await fixture.metric('sidetrack_relay_connections_total{family="ipv4"}')).toBe(1);
    expect(await fixture.metric('sidetrack_relay_connections_total{family="ipv6"}')).toBe(1);
    expect(
      await fixture.metric('sidetrack_relay_transferred_bytes_total{mode="splice"}'),
    ).toBeGreaterThan(0);
    const status = await fixture.lab.check('server1', ['cat', `/proc/${relay.pid()}/status`]);
    expect(status).toMatch(/^Seccomp:\s*2$/m);
    expect(status).toMatch(/^NoNewPrivs:\s*1$/m);
    expect(status).toMatch(yaml === TPROXY ? /^CapBnd:\s*0*2000$/m : /^CapBnd:\s*0+$/m);
  });

  it('reloads, hands over, beats for the watchdog, lists connections and stops', async () => {
    const relay = await start(REDIRECT);
    expect(await bulk()).toBe(digest);

    fixture.configure(`${REDIRECT}relay: { idle_timeout_seconds: 77 }\n`);
    await relay.signal('HUP');
    await relay.until('the reload', () => relay.matching(/^notify \d+ RELOADING=1/) > 0);
    await relay.until('it to be ready again', () => relay.matching(/^notify \d+ READY=1/) > 1);
    expect(await bulk()).toBe(digest);

    const old = await relay.handOver();
    await relay.until('the old relay to end', () => relay.ended(old));
    expect(relay.lines).toContain(`ended ${old} 0`);
    expect(await bulk()).toBe(digest);

    const beats = () => relay.matching(new RegExp(`^notify ${relay.pid()} WATCHDOG=1`));
    await relay.until('beats of the successor', () => beats() >= 2);
    const list = [process.execPath, CLI, 'connections', '--json'];
    expect(JSON.parse(await fixture.lab.check('server1', list))).toMatchObject({ connections: [] });

    const last = relay.pid();
    await relay.signal('TERM');
    await relay.until('the stop', () => relay.ended(last));
    expect(relay.lines).toContain(`ended ${last} 0`);
  });

  it.each(['splice', 'accept4', 'epoll_ctl'])('is killed where %s is forbidden', async (call) => {
    const unit = await unitOf(REDIRECT);
    const calls = allowedCalls(unit);
    expect(calls.delete(call)).toBe(true);
    const prefix = confinement(unit, fixture.directory, calls);
    const bulk = url(ADDRESS.internet.v4, `/bytes/${BULK}`);
    const killed = () => service!.matching(new RegExp(`^ended \\d+ ${KILLED}$`)) > 0;
    service = await Service.start(fixture, { prefix, awaitReady: false, sanitized: false });
    await fixture.succeed('apply');
    await waitFor('the end of it', async () => {
      if (killed()) return true;
      // Where nobody accepts, it would wait for an answer.
      const argv = ['curl', '-s', '--max-time', '3', '-o', '/dev/null', bulk];
      await fixture.lab.run('client', argv);
      return killed();
    });
  });
});
