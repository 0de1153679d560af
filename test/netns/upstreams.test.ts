/** The relay behind proxies that we did not write: microsocks (SOCKS5) and tinyproxy (CONNECT). */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { missingPrograms, requireAll } from './rivals/installed.js';
import type { Running } from './rivals/launch.js';
import type { FamilyName } from './rivals/program.js';
import { EXIT, LOGIN, microsocks, OWN, PROXY, tinyproxy } from './rivals/proxies.js';

const PORT = 1080;
const SECOND_PORT = 1081;
const CREDENTIALS = `username: ${LOGIN.username}, password_file: vps.pass`;

let fixture: Fixture;
let relay: LabProcess | undefined;
let proxies: Running[] = [];

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());
beforeEach(() => setPassword(LOGIN.password));
afterEach(async () => {
  relay?.signal('SIGKILL');
  await relay?.exited;
  relay = undefined;
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

const setPassword = (password: string) =>
  writeFileSync(join(fixture.directory, 'vps.pass'), `${password}\n`);

async function start(upstreams: string, more = ''): Promise<void> {
  fixture.configure(
    `${LAB_CONFIG}relay:\n  metrics: { connections: true }\n  upstreams: [${upstreams}]\n${more}`,
  );
  relay = await fixture.startRelay();
}

async function run(...programs: Promise<Running>[]): Promise<void> {
  proxies = await Promise.all(programs);
}

/** What the relay says on standard error from now on. */
function listen(): () => string {
  let said = '';
  relay!.child.stderr!.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  return () => said;
}

const through = (name: string) =>
  fixture.metric(`sidetrack_relay_upstream_connections_total{upstream="${name}"}`);
const failed = (name: string, reason: string) =>
  fixture.metric(`sidetrack_relay_upstream_errors_total{upstream="${name}",reason="${reason}"}`);

async function expectDownload(family: FamilyName, size: number): Promise<void> {
  const address = url(ADDRESS.internet[family], `/bytes/${size}`);
  expect(await fixture.download('client', address)).toEqual({
    status: 0,
    digest: pseudoRandomDigest(size),
  });
}

async function expectFailure(family: FamilyName): Promise<void> {
  const { status } = await fixture.download('client', url(ADDRESS.internet[family], '/who'));
  // Reset while connecting, empty reply or reset later, by how far curl had come.
  expect([7, 52, 56]).toContain(status);
}

/** Arguments and environment of a process and of all below it. */
function processTexts(pid: number): string {
  const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8');
  const children = read(`task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [read('cmdline'), read('environ'), ...children.map(processTexts)].join('');
}

async function seenByInternet(family: FamilyName): Promise<string> {
  const argv = ['curl', '-gsSf', '--max-time', '10', url(ADDRESS.internet[family], '/who')];
  return (await fixture.lab.check('client', argv)).replace('::ffff:', '');
}

function describeWith(needs: readonly string[], name: string, tests: () => void): void {
  const missing = missingPrograms(needs);
  const skipped = missing.length > 0 && !requireAll;
  if (skipped) console.warn(`skipped ${name}: not installed: ${missing.join(', ')}`);
  describe.skipIf(skipped)(name, () => {
    beforeAll(() => {
      if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);
    });
    tests();
  });
}

const socks5 = (name: string, family: FamilyName, port: number, more = '') => {
  const host = family === 'v4' ? PROXY.v4 : `[${PROXY.v6}]`;
  return `{ name: ${name}, url: "socks5://${host}:${port}"${more && `, ${more}`} }`;
};

describeWith(['microsocks'], 'microsocks', () => {
  it.each(FAMILIES)('delivers %s destinations from its own address', async (family) => {
    await run(microsocks(fixture, { port: PORT, exit: family }));
    await start(socks5('vps', 'v4', PORT));
    expect(await seenByInternet(family)).toBe(EXIT[family]);
    for (const size of [1, 300_000, 20_000_000]) await expectDownload(family, size);
    expect(await through('vps')).toBe(4);
    expect(await fixture.metric('sidetrack_relay_upstream_active{upstream="vps"}')).toBe(0);
  });

  it.each(FAMILIES)('is reached over IPv6, for %s destinations', async (family) => {
    await run(microsocks(fixture, { port: PORT, family: 'v6' }));
    await start(socks5('vps', 'v6', PORT));
    expect(await seenByInternet(family)).toBe(OWN[family]);
    await expectDownload(family, 300_000);
  });

  it('lets nobody in without the password, and us with it', async () => {
    await run(microsocks(fixture, { port: PORT, login: true }));
    await start(socks5('vps', 'v4', PORT, CREDENTIALS));
    for (const family of FAMILIES) await expectDownload(family, 3_000_000);
    expect(await fixture.client('client', 'many', ADDRESS.internet.v4, '100', '500000')).toEqual({
      flows: 100,
      wrong: 0,
    });
    const argv = ['curl', '-sf', 'http://127.0.0.1:9150/connections'];
    const { connections } = JSON.parse(await fixture.lab.check('server1', argv));
    expect(connections.at(-1)).toMatchObject({ upstream: 'vps', outcome: 'finished' });
  });

  it('with a wrong password every client is reset, and the reason is counted', async () => {
    setPassword('hunter2');
    await run(microsocks(fixture, { port: PORT, login: true }));
    await start(socks5('vps', 'v4', PORT, CREDENTIALS));
    const said = listen();
    await expectFailure('v4');
    expect(await failed('vps', 'upstream_auth')).toBe(1);
    expect(
      await fixture.metric('sidetrack_relay_connect_errors_total{reason="upstream_auth"}'),
    ).toBe(1);
    await waitFor('a line about it', async () => said().includes('upstream "vps" is in backoff'));
    expect(said()).toMatch(
      /it wants other credentials \(upstream_auth\)\n {2}hint: .*password_file/,
    );
    expect(said()).not.toContain('hunter2');
  });

  it('never shows the password: not in its arguments, environment, pages or words', async () => {
    await run(microsocks(fixture, { port: PORT }));
    await start(socks5('vps', 'v4', PORT, CREDENTIALS));
    await expectDownload('v4', 1000);
    const page = (path: string) =>
      fixture.lab.check('server1', ['curl', '-sf', `http://127.0.0.1:9150${path}`]);
    const told = processTexts(relay!.child.pid!);
    expect(told).toContain('relay\0-c');
    for (const text of [told, await page('/metrics'), await page('/connections')])
      expect(text).not.toContain(LOGIN.password);
  });

  it('says that the destination refused', async () => {
    await run(microsocks(fixture, { port: PORT }));
    await start(socks5('vps', 'v4', PORT));
    const { outcome } = await fixture.client('client', 'dial', ADDRESS.internet.v4, '81');
    expect(['ECONNRESET', 'closed', 'ECONNREFUSED']).toContain(outcome);
    expect(await failed('vps', 'destination_refused')).toBe(1);
  });

  it('is replaced by the next when it dies, and is back in favour when it returns', async () => {
    await run(
      microsocks(fixture, { port: PORT, exit: 'v4' }),
      microsocks(fixture, { port: SECOND_PORT }),
    );
    await start(`${socks5('first', 'v4', PORT)}, ${socks5('second', 'v4', SECOND_PORT)}`);
    expect(await seenByInternet('v4')).toBe(EXIT.v4);
    const said = listen();
    await proxies[0]!.stop();
    for (let i = 0; i < 5; i++) await expectDownload('v4', 300_000);
    await waitFor('a line about it', async () => said().includes('refuses connections'));
    expect(await through('second')).toBe(5);
    expect(await failed('first', 'refused')).toBeGreaterThan(0);
    expect(await fixture.metric('sidetrack_relay_connect_errors_total{reason="refused"}')).toBe(0);
    proxies[0] = await microsocks(fixture, { port: PORT, exit: 'v4' });
    await waitFor('the first to be tried again', async () => {
      return (await seenByInternet('v4')) === EXIT.v4;
    });
    await waitFor('a line about it', async () => said().includes('upstream "first" is back'));
    expect(said().match(/in backoff/g)).toHaveLength(1);
  });

  it('takes over from one that accepts and then says nothing', async () => {
    await run(microsocks(fixture, { port: PORT, exit: 'v4' }));
    // Reads until the end of what it is sent, and is silent until then.
    const silent = `{ name: silent, url: "socks5://${ADDRESS.internet.v4}:9001" }`;
    await start(`${silent}, ${socks5('vps', 'v4', PORT)}`, '  handshake_timeout_seconds: 1\n');
    expect(await seenByInternet('v4')).toBe(EXIT.v4);
    expect(await failed('silent', 'handshake_timeout')).toBe(1);
  });

  it('shares the connections by weight', async () => {
    await run(microsocks(fixture, { port: PORT }), microsocks(fixture, { port: SECOND_PORT }));
    await start(
      `${socks5('heavy', 'v4', PORT, 'weight: 3')}, ${socks5('light', 'v4', SECOND_PORT)}`,
      '  strategy: weighted\n  threads: 1\n',
    );
    await fixture.client('client', 'many', ADDRESS.internet.v4, '40', '1000');
    expect([await through('heavy'), await through('light')]).toEqual([30, 10]);
  });
});

describeWith(['tinyproxy'], 'tinyproxy', () => {
  const vps = `{ name: vps, url: "http://${PROXY.v4}:${PORT}", ${CREDENTIALS} }`;

  it.each(FAMILIES)('delivers %s destinations', async (family) => {
    await run(tinyproxy(fixture, PORT));
    await start(vps);
    expect(await seenByInternet(family)).toBe(OWN[family]);
    for (const size of [1, 300_000, 5_000_000]) await expectDownload(family, size);
    expect(await through('vps')).toBe(4);
  });

  it('with a rule against the port is helped out by the next, and that is said once', async () => {
    await run(tinyproxy(fixture, PORT, 443));
    await start(`${vps}, { name: direct, url: "direct:" }`);
    const said = listen();
    for (let i = 0; i < 2; i++) await expectDownload('v4', 1000);
    expect([await through('direct'), await failed('vps', 'upstream_refused')]).toEqual([2, 2]);
    expect(await fixture.metric('sidetrack_relay_upstream_up{upstream="vps"}')).toBe(1);
    await waitFor('a word of it', () => said().includes('{ port: 80, upstreams: [...] }'));
    expect(said().match(/has a rule against connections to port 80/g)).toHaveLength(1);
  });

  it('refuses a wrong password, which is counted', async () => {
    setPassword('hunter2');
    await run(tinyproxy(fixture, PORT));
    await start(vps);
    await expectFailure('v4');
    expect(await failed('vps', 'upstream_auth')).toBe(1);
  });
});

/** Says yes to every CONNECT, hears the first words, and hangs up: a tunnel that is dead further on. */
const DEAD_TUNNEL = `require('net').createServer((peer) => {
  peer.on('error', () => {});
  peer.once('data', () => {
    peer.write('HTTP/1.1 200 OK\\r\\n\\r\\n');
    peer.once('data', () => peer.end());
  });
}).listen(${PORT}, '${PROXY.v4}', () => console.log('listening'));`;

describe('a proxy that is of no use', () => {
  const DEAD = `{ name: dead, url: "http://${PROXY.v4}:${PORT}" }, { name: direct, url: "direct:" }`;
  let tunnel: LabProcess;

  beforeAll(async () => {
    tunnel = fixture.lab.spawn('internet', [process.execPath, '-e', DEAD_TUNNEL]);
    await new Promise((resolve) => tunnel.child.stdout!.once('data', resolve));
  });
  afterAll(async () => {
    tunnel.signal('SIGKILL');
    await tunnel.exited;
  });

  const look = () =>
    fixture.download('client', url(ADDRESS.internet.v4, '/who')).then(({ status }) => status);

  it('because it says yes and hangs up is left for the next', async () => {
    await start(DEAD);
    const said = listen();
    const statuses: number[] = [];
    for (let i = 0; i < 11; i++) statuses.push(await look());
    expect(statuses.at(-1)).toBe(0);
    expect(statuses.filter((status) => status !== 0).length).toBeLessThan(8);
    await waitFor('a word of it', () => said().includes('it accepts requests, then hangs up'));
  });

  it('is found out by a probe that wants an answer before any client does', async () => {
    const probe = `{ url: "http://${ADDRESS.internet.v4}/who", interval_seconds: 1 }`;
    await start(DEAD, `  probe: ${probe}\n`);
    const up = (name: string) => fixture.metric(`sidetrack_relay_upstream_up{upstream="${name}"}`);
    await waitFor('the probe to fail', async () => (await up('dead')) === 0);
    expect(await look()).toBe(0);
    expect([await up('direct'), await through('dead')]).toEqual([1, 0]);
  });
});

/** Connects for everybody, but to IPv6 addresses only while the file is not there. */
const carrier = (file: string) => `const net = require('net');
net.createServer((peer) => {
  peer.on('error', () => {});
  peer.once('data', (request) => {
    const [, host, port] = /^CONNECT \\[?([^ \\]]+?)\\]?:(\\d+) /.exec(String(request));
    if (net.isIPv6(host) && require('fs').existsSync('${file}'))
      return peer.end('HTTP/1.1 502 No\\r\\n\\r\\n');
    const way = net.connect({ host, port: Number(port) }, () => {
      peer.write('HTTP/1.1 200 OK\\r\\n\\r\\n');
      peer.pipe(way).pipe(peer);
    });
    way.on('error', () => peer.destroy());
  });
}).listen(${PORT}, '${PROXY.v4}', () => console.log('listening'));`;

describe('a family that no upstream carries at the moment', () => {
  const accepted = () => fixture.metric('sidetrack_relay_connections_total{family="ipv6"}');
  const listening = (family: string) =>
    fixture.metric(`sidetrack_relay_listening{family="${family}"}`);

  let lost: string;
  let proxy: LabProcess;

  beforeAll(async () => {
    lost = join(fixture.directory, 'ipv6-is-lost');
    proxy = fixture.lab.spawn('internet', [process.execPath, '-e', carrier(lost)]);
    await new Promise((resolve) => proxy.child.stdout!.once('data', resolve));
  });
  afterAll(async () => {
    proxy.signal('SIGKILL');
    await proxy.exited;
  });

  it('is refused before the handshake, and accepted again when a probe succeeds', async () => {
    const [v4, v6] = [ADDRESS.internet.v4, ADDRESS.internet.v6];
    await start(
      `{ name: vps, url: "http://${PROXY.v4}:${PORT}" }`,
      `  probe: { destination: ["${v4}:80", "[${v6}]:80"], interval_seconds: 1 }\n`,
    );
    const said = listen();
    await expectDownload('v6', 1000);
    writeFileSync(lost, '');
    await waitFor('IPv6 to be refused', async () => (await listening('ipv6')) === 0);
    await waitFor('a word of it', () => said().includes('IPv6 is refused until one carries it'));
    const before = await accepted();
    const { status } = await fixture.download('client', url(v6, '/who'));
    expect(status).toBe(7);
    await expectDownload('v4', 1000);
    expect([await accepted(), await listening('ipv4')]).toEqual([before, 1]);
    rmSync(lost);
    await waitFor('IPv6 to be accepted', async () => (await listening('ipv6')) === 1);
    await expectDownload('v6', 1000);
    await waitFor('a word of it', () => said().includes('IPv6 is accepted again'));
  });
});

describe('a configuration that cannot work', () => {
  it('is refused at the start, naming the upstream and the place', async () => {
    fixture.configure(
      `${LAB_CONFIG}relay: { upstreams: [{ name: vps, url: "socks5://192.0.2.1:1", username: u, password_file: none }] }\n`,
    );
    const { status, stderr } = await fixture.sidetrackOn('server1', 'relay');
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /:\d+:\d+: cannot read the password of upstream "vps" from .*none: no such file/,
    );
  });
});

describe('a family that no upstream carries', () => {
  const DIRECT_V4 = '{ name: direct, url: "direct:", families: ipv4 }';

  /** What the relay has accepted of IPv6. */
  const accepted = () => fixture.metric('sidetrack_relay_connections_total{family="ipv6"}');

  it('is not captured: it takes the way of on_failure, and is not accepted first', async () => {
    await start(DIRECT_V4);
    const before = await fixture.sidetrack('check');
    expect(before.stderr).toMatch(/no upstream carries IPv6, so none is captured/);
    expect(await fixture.succeed('plan', '--json')).toContain('no upstream carries IPv6');
    // As long as it is captured: accepted, and reset.
    await expectFailure('v6');
    expect(await accepted()).toBe(1);
    const rejected = 'sidetrack_relay_rejected_total{reason="no_upstream"}';
    expect(await fixture.metric(rejected)).toBe(1);

    expect(await fixture.succeed('apply', '--json')).toContain('no upstream carries IPv6');
    const { stdout } = await fixture.lab.run('server1', ['nft', 'list', 'ruleset']);
    expect(stdout).toContain('meta nfproto ipv4 ');
    expect(stdout).not.toMatch(/nfproto ipv6 .*redirected/);
    await seenByInternet('v6');
    expect(await accepted()).toBe(1);
    await seenByInternet('v4');
    expect(await through('direct')).toBe(1);
    fixture.configure(LAB_CONFIG);
    await fixture.succeed('apply');
  });
});
