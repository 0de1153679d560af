/** What tests measure of a page: figures as numbers, frames, memory, contrast. */
import type { CDPSession, Page } from 'playwright-core';

const POWERS = ['', 'k', 'M', 'G', 'T', 'P'];

/** `1.23 GB` or `941 Mbit/s` as a number of its unit; an arrow before it counts for nothing. */
export function bytesOf(text: string): number {
  const [, digits, power = ''] = /([0-9.]+) ([kMGTP]?)(?:B|bit\/s)/.exec(text) ?? [];
  if (digits === undefined) return Number.NaN;
  return Number(digits) * 1000 ** POWERS.indexOf(power);
}

export interface Frames {
  count: number;
  /** Milliseconds. */
  p99: number;
  /** Share of the time in which the page's thread was busy. */
  busy: number;
}

/** How long frames took meanwhile, by requestAnimationFrame. */
export async function frames(page: Page, ms: number, act: () => Promise<void>): Promise<Frames> {
  const session = await page.context().newCDPSession(page);
  // Of the CPU's time: what other programs take meanwhile is none of the page's.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const before = await metricsOf(session);
  await page.evaluate('sidetrackProbe.frames.length = 0; sidetrackProbe.isMeasuring = true;');
  const until = Date.now() + ms;
  await act();
  await page.waitForTimeout(Math.max(until - Date.now(), 0));
  const taken: number[] = await page.evaluate(
    '(sidetrackProbe.isMeasuring = false, sidetrackProbe.frames)',
  );
  const after = await metricsOf(session);
  await session.detach();
  const sorted = taken.toSorted((a, b) => a - b);
  const at = Math.min(Math.floor(sorted.length * 0.99), sorted.length - 1);
  return {
    count: sorted.length,
    p99: sorted[at] ?? Number.NaN,
    busy: (after('TaskDuration') - before('TaskDuration')) / (ms / 1000),
  };
}

/** Bytes of JavaScript's heap after its garbage is gone, and nodes of the document. */
export async function heapOf(page: Page): Promise<{ heap: number; nodes: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.enable');
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const of = await metricsOf(session);
  await session.detach();
  return { heap: of('JSHeapUsedSize'), nodes: of('Nodes') };
}

/** Chromium's own counters. */
async function metricsOf(session: CDPSession): Promise<(name: string) => number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return (name) => metrics.find((one) => one.name === name)?.value ?? Number.NaN;
}

export interface Contrast {
  text: string;
  ratio: number;
  /** 18 pt, or 14 pt in bold: WCAG asks less of it. */
  isLarge: boolean;
}

/** Of all texts that are seen, by the formula of WCAG 2. */
export function contrasts(page: Page): Promise<Contrast[]> {
  return page.evaluate('sidetrackProbe.contrasts()');
}
