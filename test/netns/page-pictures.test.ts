/** The live page as people see it, at three sizes and in both themes: build/pages/*.png are there to be looked at. */
import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, startBrowser } from './browser/browser.js';
import { FakeServer } from './browser/fake-server.js';
import { contrasts } from './browser/measure.js';
import { connectionsAt, historyUntil, severalAt, stateAt, troubledAt } from './browser/states.js';

const FOLDER = 'build/pages';
const AT = 4000;

let fake: FakeServer;
beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  fake = await FakeServer.start();
  fake.history = historyUntil(AT);
  fake.connections = connectionsAt(AT, 5000);
});
afterAll(() => fake?.close());

const SIZES = [
  ['phone', 360, 780],
  ['tablet', 820, 1180],
  ['desktop', 1440, 900],
] as const;

/** Tables that have to be scrolled sideways, by how many pixels. */
const WIDE_TABLES = `Object.fromEntries(
  [...document.querySelectorAll('.table')]
    .map(({ id, scrollWidth, clientWidth }) => [id, scrollWidth - clientWidth])
    .filter(([, over]) => over > 0),
)`;

describe.skipIf(CHROMIUM === undefined)('the page', { tags: ['long'] }, () => {
  it.each(
    SIZES.flatMap((size) => (['light', 'dark'] as const).map((theme) => [...size, theme] as const)),
  )('on a %s, %i by %i, %s, fits and complains of nothing', async (name, width, height, theme) => {
    const browser = await startBrowser({ width, height, theme });
    try {
      const page = await browser.open(fake.url);
      await expect.poll(() => fake.streams).toBe(1);
      for (let i = 0; i <= 60; i++)
        fake.push(theme === 'dark' ? troubledAt(AT + i) : stateAt(AT + i));
      await page.locator('#connections').scrollIntoViewIfNeeded();
      await page.locator('#connections-table tbody tr').nth(49).waitFor();
      await page.locator('#news[data-level=ok]').waitFor();
      const wide = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(wide).toBe(0);
      expect(await page.evaluate(WIDE_TABLES)).toEqual({});
      await page.evaluate('scrollTo({ top: 0, behavior: "instant" })');
      await page.screenshot({ path: `${FOLDER}/${name}-${theme}.png` });
      await page.screenshot({ path: `${FOLDER}/${name}-${theme}-whole.png`, fullPage: true });
      for (let i = 61; i <= 66; i++) fake.push(severalAt(AT + i, true));
      await page
        .locator('#groups .place[data-key="server server2"][data-level=critical]')
        .waitFor();
      await page.locator('#servers-table tbody tr').nth(2).waitFor();
      expect(
        await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        ),
      ).toBe(0);
      expect(await page.evaluate(WIDE_TABLES)).toEqual({});
      await page.evaluate('scrollTo({ top: 0, behavior: "instant" })');
      await page.screenshot({ path: `${FOLDER}/${name}-${theme}-servers.png`, fullPage: true });
      expect(browser.complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});

describe.skipIf(CHROMIUM === undefined)('a run-book', { tags: ['long'] }, () => {
  it.each(
    SIZES.flatMap((size) => (['light', 'dark'] as const).map((theme) => [...size, theme] as const)),
  )('on a %s, %i by %i, %s, fits and can be read', async (name, width, height, theme) => {
    const browser = await startBrowser({ width, height, theme });
    try {
      for (const alert of ['SidetrackServerDown', 'SidetrackDrifted', '']) {
        const page = await browser.open(`${fake.url}runbooks/${alert}`);
        await page.getByRole('heading', { level: 1 }).waitFor();
        const wide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
        expect(await page.evaluate(wide)).toBe(0);
        const all = await contrasts(page);
        expect(all.filter(({ ratio, isLarge }) => ratio < (isLarge ? 3 : 4.5))).toEqual([]);
        await page.screenshot({ path: `${FOLDER}/${name}-${theme}-runbook${alert}.png` });
      }
      expect(browser.complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
