/** The live page of a real relay in a lab under load, in Debian's Chromium. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../control/config/load.js';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { relayConfigText } from '../../control/plan/relay-config.js';
import type { State } from '../../monitoring/state.js';
import { CHROMIUM, startBrowser, type TestBrowser } from './browser/browser.js';
import { bytesOf, type Frames, frames } from './browser/measure.js';
import { CLI, Fixture, waitFor } from './fixture.js';
import { missingPrograms } from './rivals/installed.js';
import type { Running } from './rivals/launch.js';
import { microsocks, PROXY } from './rivals/proxies.js';

const URL = 'http://127.0.0.1:9150/';
const SOCKS_PORT = 1080;

let fixture: Fixture;
let browser: TestBrowser;
let page: Page;
let proxy: Running;
/** Of the configuration, as `apply` writes it on server1. */
let part: string;

const isMissing = CHROMIUM === undefined || missingPrograms(['microsocks']).length > 0;

async function stateOf(): Promise<State> {
  return JSON.parse(await fixture.lab.check('server1', ['curl', '-sf', `${URL}state.json`]));
}

/** In a hosts file that is the lab's alone: it has a mount namespace of its own. */
async function nameClient(name: string): Promise<void> {
  const file = join(fixture.directory, 'hosts');
  const hosts = `127.0.0.1 localhost\n${ADDRESS.client.v4} ${name}\n`;
  writeFileSync(file, hosts);
  await fixture.lab.check(undefined, ['mount', '--bind', file, '/etc/hosts']);
}

/** The relay knows rules from the exporter alone. */
async function partForServer(): Promise<string> {
  const config = await loadConfig(fixture.configFile);
  const [server] = config.servers;
  const part = join(fixture.directory, 'of-server1.yaml');
  writeFileSync(part, relayConfigText(config, server!));
  return part;
}

const text = (selector: string) => page.locator(selector).first().innerText();

/** From an upstream's end to its colour. */
const RED_MS = 3000;
const MEASURE_MS = 8000;

const told = ({ p99, count, busy }: Frames) =>
  `p99 of ${count} ${p99.toFixed(1)} ms, ${Math.round(100 * busy)} % busy`;

async function sortAll(): Promise<void> {
  const table = page.locator('#connections-table');
  for (const name of ['Age', 'Total', 'Now']) await table.getByRole('button', { name }).click();
}

describe.skipIf(isMissing)('the live page of a relay', () => {
  let load: LabProcess;
  beforeAll(async () => {
    fixture = await Fixture.start();
    proxy = await microsocks(fixture, { port: SOCKS_PORT });
    const upstream = `{ name: vps, url: "socks5://${PROXY.v4}:${SOCKS_PORT}" }`;
    fixture.configure(
      `${LAB_CONFIG}relay:\n  metrics: { connections: true }\n  upstreams: [${upstream}]\n`,
    );
    await nameClient('kitchen-tv');
    await fixture.succeed('apply');
    part = await partForServer();
    await fixture.startRelay('-c', part);
    const exporter = [process.execPath, CLI, 'exporter', '-c', fixture.configFile];
    fixture.lab.spawn('server1', exporter, { stdio: 'ignore' });
    fixture.lab.spawn('internet', ['iperf3', '-s'], { stdio: 'ignore' });
    const iperf = ['iperf3', '-c', ADDRESS.internet.v4, '-t', '300', '-b', '80M', '-R'];
    await waitFor('iperf3 to listen', async () => {
      const argv = ['iperf3', '-c', ADDRESS.internet.v4, '-n', '1K'];
      return (await fixture.lab.run('client', argv)).status === 0;
    });
    load = fixture.lab.spawn('client', iperf, { stdio: 'ignore' });
    browser = await startBrowser({ place: { lab: fixture.lab, node: 'server1' } });
    page = await browser.open(URL);
    await page.locator('#news[data-level=ok]').waitFor();
  });
  afterAll(async () => {
    load?.signal('SIGKILL');
    await browser?.close();
    await fixture?.stop();
  });

  it('shows the throughput that iperf3 makes, as /state.json has it', async () => {
    const before = await stateOf();
    await waitFor('a steady rate', async () => {
      const rate = bytesOf(await text('#figures .value'));
      return rate > 60e6 && rate < 100e6;
    });
    // The page shows the rate of its latest states: one moment is a bad witness on a busy machine.
    let rate = 0;
    await waitFor('the page to agree with /state.json', async () => {
      const now = await stateOf();
      const bytes = now.relay!.bytes.download - before.relay!.bytes.download;
      rate = (8 * bytes) / (now.at - before.at);
      const shown = bytesOf(await text('#figures .value'));
      return shown / rate > 0.9 && shown / rate < 1.1;
    });
    // On each hop that the relay sees.
    const hops = await page.locator('.hop:not([hidden]) .download').allInnerTexts();
    expect(hops).toHaveLength(4);
    for (const hop of [hops[2]!, hops[3]!]) expect(bytesOf(hop) / rate).toBeCloseTo(1, 0);
  });

  it('shows totals between those of /state.json before and after', async () => {
    const total = () => text('#upstreams-table tbody .wide .down');
    const before = (await stateOf()).relay!.upstreams[0]!.bytes.download;
    await waitFor('the page to have come so far', async () => bytesOf(await total()) >= before);
    const shown = bytesOf(await total());
    const after = (await stateOf()).relay!.upstreams[0]!.bytes.download;
    // Three digits are shown.
    expect(shown).toBeLessThanOrEqual(1.005 * after);
  });

  it('shows the router that the exporter reads: its state, its rules, what it steers', async () => {
    await page.locator('.place[data-key=router][data-level=ok]', { hasText: 'in sync' }).waitFor();
    const rule = page.locator('#rules-table tbody tr', { hasText: 'rest' });
    await rule.waitFor();
    const counted = (await stateOf()).router!.rules.find((one) => one.rule === 'rest')!.packets;
    const packets = rule.locator('.number').nth(1);
    await expect
      .poll(async () => Number((await packets.innerText()).replaceAll(/\D/g, '')))
      .toBeGreaterThanOrEqual(counted);
    await expect
      .poll(async () => bytesOf(await text('.hop .upload')), { timeout: 15_000 })
      .toBeGreaterThan(0);
  });

  it('names the device and lists its connections; what is searched for is found', async () => {
    await page.locator('#devices-table').getByRole('button', { name: 'kitchen-tv' }).click();
    expect(await page.locator('#search').inputValue()).toBe(`client=${ADDRESS.client.v4}`);
    const row = page.locator('#connections-table tbody tr', { hasText: ':5201' }).first();
    await row.waitFor();
    await row.getByRole('button', { name: 'Why this rule' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('rule "rest" is the first that matches it: proxy').waitFor();
    await dialog.getByText(/^sidetrack\.yaml:\d+:\d+$/).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#search').fill('to=203.0.113.99');
    await page.getByText('No open connection matches.').waitFor();
    await page.locator('#search').fill('');
    await row.waitFor();
  });

  it('closes what a filter lets through, after it has said how many', async () => {
    const crowd = await fixture.startPeer(
      'client',
      'crowd',
      '"open":30',
      ADDRESS.internet.v4,
      '30',
    );
    await page.locator('#search').fill(`client=${ADDRESS.client.v4} ${ADDRESS.internet.v4}:7`);
    await page.locator('#page-where', { hasText: '1–30 of 30' }).waitFor();
    await page.locator('#close-filtered').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Close 30 connections' }).click();
    await page.locator('#announcer', { hasText: '30 connections closed' }).waitFor();
    await page.getByText('No open connection matches.').waitFor();
    // The load was none of them.
    expect((await stateOf()).relay!.connections.active).toBeGreaterThan(0);
    await page.locator('input[value=closed]').check();
    await page.locator('#page-where', { hasText: 'of 30 that match' }).waitFor();
    await page.locator('input[value=open]').check();
    await page.locator('#search').fill('');
    crowd.signal('SIGKILL');
  });

  it('is not held up by 5000 connections: frames stay below 50 ms', {
    tags: ['long'],
  }, async () => {
    const count = 5000;
    await page.locator('#connections').scrollIntoViewIfNeeded();
    await page.locator('#page-where', { hasText: 'of' }).waitFor();
    const few = await frames(page, MEASURE_MS, sortAll);
    const crowd = await fixture.startPeer(
      'client',
      'crowd',
      `"open":${count}`,
      ADDRESS.internet.v4,
      `${count}`,
    );
    await page.locator('#page-where', { hasText: /of 5.00\d/ }).waitFor();
    const many = await frames(page, MEASURE_MS, async () => {
      await sortAll();
      for (let i = 0; i < 5; i++) await page.locator('#page-after').click();
    });
    console.info(`frames with few connections: ${told(few)}; with ${count}: ${told(many)}`);
    // Chromium draws by the CPU here, so this is for a machine that does nothing else.
    expect(many.p99).toBeLessThan(50);
    expect(many.busy).toBeLessThan(0.5);
    crowd.signal('SIGKILL');
  });

  it('turns red within 3 s of an upstream that is killed, says so aloud, and recovers', async () => {
    const knocking = await fixture.startPeer('client', 'knock', 'first', ADDRESS.internet.v4, '2');
    const isOk = () => page.locator('.place[data-key="upstream vps"][data-level=ok]').waitFor();
    const times: number[] = [];
    const killed = async () => {
      await isOk();
      const from = Date.now();
      await proxy.stop();
      await page.locator('.place[data-key="upstream vps"][data-level=critical]').waitFor();
      times.push(Date.now() - from);
    };
    // A machine that does other things too has three chances.
    for (await killed(); times.at(-1)! >= RED_MS && times.length < 3; await killed())
      proxy = await microsocks(fixture, { port: SOCKS_PORT });
    expect(Math.min(...times), `${times}`).toBeLessThan(RED_MS);
    await page.locator('#health-list li[data-level=critical]', { hasText: 'vps' }).waitFor();
    await page.locator('#announcer', { hasText: 'vps' }).waitFor({ state: 'attached' });
    expect(await text('#upstreams-table tbody .badge')).toBe('down');
    proxy = await microsocks(fixture, { port: SOCKS_PORT });
    await isOk();
    knocking.child.stdin!.end();
  });

  it('goes on by keyboard alone', async () => {
    await page.locator('body').press('/');
    expect(await page.evaluate('document.activeElement.id')).toBe('search');
    await page.keyboard.press('Escape');
    await page.keyboard.press('p');
    await page.locator('#news', { hasText: 'paused' }).waitFor();
    await page.keyboard.press('p');
    await page.locator('#news', { hasText: 'live' }).waitFor();
  });

  it('says since when nothing comes, and takes up again', async () => {
    const relay = (await stateOf()).relay!;
    await fixture.lab.check('server1', ['kill', '-STOP', String(relay.pid)]);
    await page.locator('#news', { hasText: /no news since \d+ s/ }).waitFor();
    await fixture.lab.check('server1', ['kill', '-CONT', String(relay.pid)]);
    await page.locator('#news', { hasText: 'live' }).waitFor();
  });

  it('gives curl the same as text', async () => {
    const said = await fixture.lab.check('server1', ['curl', '-sf', URL]);
    expect(said).toMatch(/^HEALTH$/m);
    expect(said).toMatch(/^ {2}vps +up/m);
    expect(Math.max(...said.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('is served by the exporter as well, less what that cannot know', async () => {
    const exporter = 'http://127.0.0.1:9151/';
    const other = await browser.open(exporter);
    await other.locator('.place[data-key=router][data-level=ok]').waitFor();
    expect(await other.locator('#charts').isVisible()).toBe(false);
    await other.locator('#rules-table tbody tr', { hasText: 'rest' }).waitFor();
    await other.close();
    const said = await fixture.lab.check('server1', ['curl', '-sf', exporter]);
    expect(said).toMatch(/^ {2}rest +proxy/m);
  });

  it('is not made from the part of a file that a relay has, which would take server1 for the router', async () => {
    const argv = [process.execPath, CLI, 'exporter', '--once', '-c', part];
    const { status, stderr } = await fixture.lab.run('server1', argv);
    expect([status, stderr]).toEqual([2, expect.stringContaining('the part of a configuration')]);
  });

  it('has done nothing that its policy forbids, and no script has failed', async () => {
    expect(await page.evaluate('sidetrackProbe.violations')).toEqual([]);
    const unforeseen = browser.complaints.filter(
      (one) => !/ERR_|Failed to load resource/.test(one),
    );
    expect(unforeseen).toEqual([]);
  });
});
