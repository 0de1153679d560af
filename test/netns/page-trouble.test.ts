/**
 * The live page with a server that a test makes up: tokens, hostile texts, many tabs, a day in minutes, and what
 * people who do not see or do not point need.
 */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM, startBrowser, type TestBrowser } from './browser/browser.js';
import { FakeServer } from './browser/fake-server.js';
import { contrasts, heapOf } from './browser/measure.js';
import { clientsAt, connectionsAt, historyUntil, stateAt, troubledAt } from './browser/states.js';

const AT = 4000;

describe.skipIf(CHROMIUM === undefined)('the live page', () => {
  let browser: TestBrowser;
  let fake: FakeServer;
  let pushing: NodeJS.Timeout | undefined;
  let at = AT;
  let make = (now: number) => stateAt(now);

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    fake = await FakeServer.start();
    fake.connections = connectionsAt(AT, 120);
    at = AT;
    make = (now) => stateAt(now);
    pushing = setInterval(() => fake.push(make(at++)), 100);
  });
  afterEach(async () => {
    clearInterval(pushing);
    const pages = browser.context.pages().slice(1);
    await Promise.all(pages.map((page) => page.close()));
    await fake.close();
    browser.complaints.length = 0;
  });

  async function openLive(): Promise<Page> {
    const page = await browser.open(fake.url);
    await page.locator('#news[data-level=ok]').waitFor();
    return page;
  }

  it('shows what is hostile as text: no element, no script, no control character', async () => {
    const evil = '<img src=x onerror=alert(1)>"\'\u001b[2J\u202Eevil';
    make = (now) => {
      const state = stateAt(now);
      const [first, ...rest] = state.clients!;
      const [upstream] = state.relay!.upstreams;
      return {
        ...state,
        clients: [{ ...first!, name: evil }, ...rest],
        relay: {
          ...state.relay!,
          upstreams: [{ ...upstream!, name: evil, up: false, reason: evil }],
        },
        router: { ...state.router!, rules: [{ rule: evil, action: evil, packets: 1 }] },
        hosts: [{ ...state.hosts![0]!, name: evil, error: evil, up: false, differences: [evil] }],
        health: [{ level: 'critical', host: evil, what: evil, next: evil }],
      };
    };
    fake.whyText = evil;
    fake.connections = connectionsAt(AT, 1).map((one) => ({
      ...one,
      client: evil,
      originalDestination: evil,
      upstream: evil,
      route: evil,
      state: evil,
    }));
    const page = await openLive();
    await page.locator('#connections').scrollIntoViewIfNeeded();
    await page.getByRole('button', { name: 'Why this rule' }).click();
    await page.getByRole('dialog').getByText('onerror').first().waitFor();
    expect(await page.locator('img').count()).toBe(1);
    const shown = await page.evaluate<string>('document.body.innerText');
    expect(shown).toContain('<img src=x onerror=alert(1)>');
    expect(['\u001b', '\u202e'].filter((one) => shown.includes(one))).toEqual([]);
    expect(browser.complaints).toEqual([]);
    expect(await page.evaluate('sidetrackProbe.violations')).toEqual([]);
  });

  it('asks for a token where one is wanted, keeps it in this tab alone, and names a wrong one', async () => {
    fake.token = 'secret';
    const page = await browser.open(fake.url);
    const dialog = page.getByRole('dialog', { name: 'Token' });
    await dialog.waitFor();
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').getByText('refuses this token').waitFor();
    expect(fake.refused).toContain('Bearer wrong');
    await page.locator('#news', { hasText: 'needs a token' }).waitFor();
    const field = dialog.getByLabel('Token');
    await field.fill('secre');
    // The page asks again and is refused, while somebody types.
    const refusals = fake.refused.length;
    await page.evaluate(
      "for (const name of ['pagehide', 'pageshow']) dispatchEvent(new Event(name))",
    );
    await expect.poll(() => fake.refused.length, { timeout: 10_000 }).toBeGreaterThan(refusals);
    await page.keyboard.type('t');
    expect(await field.inputValue()).toBe('secret');
    await page.keyboard.press('Enter');
    await page.locator('#news[data-level=ok]').waitFor();
    expect(await dialog.isVisible()).toBe(false);
    expect(await page.evaluate('JSON.stringify([localStorage, document.cookie])')).toBe('[{},""]');
    expect(fake.asked.join()).not.toContain('secret');
    await page.reload();
    await page.locator('#news[data-level=ok]').waitFor();
  });

  it('has one stream for eight tabs, also after the one that has it was closed', async () => {
    const pages = await Promise.all(Array.from({ length: 8 }, () => openLive()));
    await expect.poll(() => fake.streams, { timeout: 10_000 }).toBe(1);
    await pages[0]!.close();
    for (const page of pages.slice(1)) {
      const before = await page.locator('#devices-table .down').first().innerText();
      await expect
        .poll(() => page.locator('#devices-table .down').first().innerText(), { timeout: 10_000 })
        .not.toBe(before);
    }
    await expect.poll(() => fake.streams, { timeout: 10_000 }).toBe(1);
  });

  it('says that the server has gone, and finds it again', async () => {
    const page = await openLive();
    const { port } = fake;
    clearInterval(pushing);
    await fake.close();
    await page.locator('#news', { hasText: /no news since \d+ s/ }).waitFor();
    await page.locator('#announcer', { hasText: 'no news' }).waitFor({ state: 'attached' });
    fake = await FakeServer.start(port);
    pushing = setInterval(() => fake.push(stateAt(at++)), 100);
    await page.locator('#news[data-level=ok]').waitFor();
  });

  it('shows 15 minutes at once, and what is paused stays', async () => {
    fake.history = historyUntil(AT);
    const page = await openLive();
    await expect
      .poll(() => page.locator('.canvas').first().getAttribute('aria-label'))
      .toMatch(/^Throughput: download \d+ Mbit\/s/);
    await page.getByRole('button', { name: 'Pause' }).click();
    expect(fake.asked.filter((one) => one.includes('history.json'))).toHaveLength(1);
    const before = await page.locator('main').innerText();
    const seen = at;
    await expect.poll(() => at, { timeout: 10_000 }).toBeGreaterThan(seen + 10);
    expect(await page.locator('main').innerText()).toBe(before);
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect.poll(() => page.locator('main').innerText()).not.toBe(before);
  });

  it('asks an exporter, which has no charts, for no history', async () => {
    make = (now) => {
      const { relay: _, ...others } = stateAt(now);
      return others;
    };
    await openLive();
    const seen = at;
    await expect.poll(() => at, { timeout: 10_000 }).toBeGreaterThan(seen + 10);
    expect(fake.asked.join()).not.toContain('history.json');
    expect(browser.complaints).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('has contrast enough in the %s theme', async (theme) => {
    make = troubledAt;
    const page = await openLive();
    await page.emulateMedia({ colorScheme: theme });
    await page.locator('#connections').scrollIntoViewIfNeeded();
    await page.locator('#connections-table tbody tr').first().waitFor();
    const all = await contrasts(page);
    expect(all.length).toBeGreaterThan(200);
    expect(all.filter(({ ratio, isLarge }) => ratio < (isLarge ? 3 : 4.5))).toEqual([]);
    await page.keyboard.press('?');
    const inDialog = await contrasts(page);
    expect(inDialog.filter(({ ratio, isLarge }) => ratio < (isLarge ? 3 : 4.5))).toEqual([]);
  });

  it('has names, roles and an order for those who do not see it', async () => {
    const page = await openLive();
    await page.locator('#connections').scrollIntoViewIfNeeded();
    await page.locator('#connections-table tbody tr').first().waitFor();
    const tree = await page.locator('body').ariaSnapshot();
    for (const part of [
      '- banner',
      '- navigation "Sections"',
      '- status',
      '- main',
      '- heading "Health" [level=2]',
      '- region "Path of the traffic"',
      /img "Throughput: download .*, upload .*"/,
      '- group "Upstreams of the relay"',
      '- table "Devices that use the relay"',
      '- columnheader "Device"',
      '- search',
      '- searchbox "Search',
    ])
      expect(tree).toMatch(part);
    const nameless = await page.evaluate(
      `[...document.querySelectorAll('button, a, input')].filter((one) =>
        one.checkVisibility() && !(one.getAttribute('aria-label') ?? one.textContent).trim() && !one.labels?.length
      ).length`,
    );
    expect(nameless).toBe(0);
    expect(await page.title()).toBe('sidetrack');
  });

  it('is used by keyboard alone, and shows where one is', async () => {
    const page = await openLive();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.className')).toBe('skip');
    await page.keyboard.press('/');
    expect(await page.evaluate('document.activeElement.id')).toBe('search');
    await page.locator('#connections-table tbody tr').nth(49).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#connections-table tbody tr').first().focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const place =
      '[...document.activeElement.parentElement.children].indexOf(document.activeElement)';
    expect(await page.evaluate(place)).toBe(2);
    expect(
      await page.evaluate('parseFloat(getComputedStyle(document.activeElement).outlineWidth)'),
    ).toBeGreaterThan(2);
    await page.keyboard.press('Delete');
    await page.getByRole('dialog', { name: 'Close 1 connection?' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.evaluate(place)).toBe(2);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Why this rule' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('t');
    expect(await page.locator('#theme').innerText()).toBe('Theme: light');
  });

  it('holds its memory for a day of states', { tags: ['long'], timeout: 900_000 }, async () => {
    fake.history = historyUntil(AT);
    const page = await openLive();
    clearInterval(pushing);
    const clients = 50;
    /** The next hours, as fast as the page takes them. */
    const run = async (hours: number) => {
      for (const until = at + 3600 * hours; at < until; ) {
        for (let i = 0; i < 50; i++)
          fake.push({ ...stateAt(at++), clients: clientsAt(at + Math.floor(at / 600), clients) });
        await page.evaluate('new Promise((done) => requestAnimationFrame(done))');
      }
    };
    await run(2);
    const first = await heapOf(page);
    await run(22);
    const last = await heapOf(page);
    console.info(
      `24 h: heap ${mega(first.heap)} → ${mega(last.heap)} MB, nodes ${first.nodes} → ${last.nodes}`,
    );
    expect(last.heap).toBeLessThan(1.2 * first.heap + 1e6);
    expect(last.nodes).toBeLessThan(1.2 * first.nodes + 500);
  });
});

const mega = (bytes: number) => (bytes / 1e6).toFixed(1);
