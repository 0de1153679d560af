import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareDocuments } from '../../../control/bench/compare.js';
import type { BenchDocument } from '../../../control/bench/document.js';
import { escaped } from '../../../control/bench/html.js';
import { renderReport } from '../../../control/bench/report.js';
import { STYLE } from '../../../control/bench/style.js';
import { benchDocument } from './documents.js';

const VOID = new Set(['meta', 'br']);

/** Every element that is opened is closed in its turn. @throws where that is not so */
function elementsOf(html: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  const body = html.replace('<!DOCTYPE html>', '').replace(STYLE, '');
  for (const [tag, end, name] of body.matchAll(
    /<(\/?)([a-z0-9]+)(?: [a-zA-Z-]+="[^"<>]*")*>|[<>]/g,
  )) {
    if (name === undefined) throw new Error(`a bare ${tag}`);
    if (end === '/') {
      if (open.pop() !== name) throw new Error(`${tag} closes what is not open`);
    } else {
      names.push(name);
      if (!VOID.has(name)) open.push(name);
    }
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`);
  return names;
}

describe('the report', () => {
  const document = benchDocument();
  const comparison = compareDocuments(document, benchDocument({ factor: 0.8, seed: 3 }));
  const html = renderReport(document, { name: 'old.json', ...comparison });

  it('is a page whose elements fit into each other', () => {
    const names = elementsOf(html);
    expect(names.filter((name) => name === 'svg')).toHaveLength(4);
    expect(names).not.toContain('script');
    expect(names).not.toContain('link');
    expect(names).not.toContain('img');
  });

  it('loads nothing from anywhere', () => {
    expect(html).not.toMatch(/https?:|src=|href=|url\(|@import/);
    expect(html).toContain(`content="default-src &#39;none&#39;`.replaceAll('&#39;', "'"));
  });

  it('has verdicts, machines and every run', () => {
    expect(html).toContain('Compared with old.json');
    expect(html).toContain('<span class="mark worse">worse</span>');
    expect(html).toContain('Linux 6.12');
    expect(html).toContain(`<summary>${document.runs.length} runs</summary>`);
  });

  it('is light and dark', () => {
    expect(html).toContain('prefers-color-scheme: dark');
  });
});

/** Every text of a document that comes from elsewhere. */
function withText(text: string): BenchDocument {
  const document = benchDocument({ runs: 1 });
  const rename = (name: string) => name + text;
  return {
    ...document,
    sidetrack: text,
    prober: text,
    notes: [text],
    machines: document.machines.map((one) => ({
      ...one,
      ...{ name: rename(one.name), address: text, kernel: text, cpu: text, iperf3: text },
      ...{ congestion: text, device: text, offloads: [text] },
    })),
    variants: document.variants.map(({ name }) => ({ name: rename(name), description: text })),
    tests: document.tests.map((one) => ({ ...one, name: rename(one.name) })),
    runs: document.runs.map((one) => ({
      ...{ ...one, test: rename(one.test), variant: rename(one.variant), at: text },
      ...(one.round === 0 && { problem: text }),
    })),
  };
}

describe('text of others', () => {
  it.each([
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    '</style><b>',
    '&lt;',
    ']]>',
    '\u0000\u001b[31m\u202ex',
  ])('%s stays text', (text) => {
    const html = renderReport(withText(text), { name: text, rows: [], remarks: [text] });
    const plain = elementsOf(
      renderReport(withText('plain'), { name: 'a', rows: [], remarks: ['a'] }),
    );
    expect(elementsOf(html)).toEqual(plain);
    for (const one of ['\u0000', '\u001b', '\u202e']) expect(html.includes(one)).toBe(false);
  });

  it('never becomes an element, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escaped(text)).not.toMatch(/[<>"']|&(?!(amp|lt|gt|quot|#39);)/);
      }),
    );
  });
});

it('a report of nothing is one, too', () => {
  const none = { ...benchDocument(), runs: [], tests: [], variants: [], machines: [], notes: [] };
  expect(elementsOf(renderReport({ ...none, interrupted: true }))).toContain('h1');
});
