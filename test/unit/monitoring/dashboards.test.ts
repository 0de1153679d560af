import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { UNPLOTTED } from '../../../monitoring/dashboards/unplotted.js';
import { dashboardFiles } from '../../../monitoring/dashboards/write.js';
import { type MetricKey, metrics } from '../../../monitoring/metrics.js';
import { ALERTS, runbookUrl } from '../../../monitoring/runbooks.js';
import {
  DASHBOARDS,
  interpolated,
  legend,
  panelsOf,
  rateInterval,
  readDashboard,
  stepOf,
  type View,
} from '../../netns/monitoring/grafana.js';

const files = DASHBOARDS.map(readDashboard);
const keys = Object.keys(metrics) as MetricKey[];

/** Of all panels and annotations. */
const expressions = files.flatMap((file) => [
  ...panelsOf(file).flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...file.annotations.list.map(({ expr }) => expr),
]);

/** Words that may be a metric: not labels, which stand in braces or behind `by` and `on`, nor functions. */
function namesIn(expression: string): string[] {
  const bare = expression
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|on|group_left|group_right) \([^)]*\)/g, '');
  return bare.match(/[a-z]+_\w+(?![\w(])|\bup\b|\bALERTS\b/g) ?? [];
}

/** Series of a histogram have a suffix each. */
const withoutPart = (name: string) => name.replace(/_(?:bucket|sum|count)$/, '');

describe('the files', () => {
  it.each([...dashboardFiles()])('%s is what the code says (make docs)', (name, text) => {
    const file = new URL(`../../../monitoring/dashboards/json/${name}`, import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('can be imported by hand and provisioned: no inputs, and the data source is a variable', () => {
    for (const text of dashboardFiles().values()) {
      expect(text).not.toContain('__inputs');
      const uids = [...text.matchAll(/"uid": "([^"]*)"/g)].map(([, uid]) => uid);
      expect(new Set(uids.filter((uid) => !uid?.startsWith('sidetrack-')))).toEqual(
        new Set(['${datasource}']),
      );
    }
  });

  it('have the variables, and one uid and one tag each', () => {
    for (const { uid, title, tags, templating } of files) {
      expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'job', 'instance']);
      expect(uid).toMatch(/^sidetrack-[a-z]+$/);
      expect(title).toMatch(/^Sidetrack \/ /);
      expect(tags).toEqual(['sidetrack']);
    }
  });
});

describe('metrics', () => {
  it('are each on a panel, or on the list of those that are not', () => {
    const shown = new Set(expressions.flatMap(namesIn).map(withoutPart));
    const missing = keys.filter((key) => !shown.has(metrics[key].name) && !(key in UNPLOTTED));
    expect(missing).toEqual([]);
    const listed = keys.filter((key) => shown.has(metrics[key].name) && key in UNPLOTTED);
    expect(listed).toEqual([]);
  });

  it('of the panels are all in the table, or Prometheus’s own', () => {
    const known = new Set(['up', 'ALERTS', ...keys.map((key) => metrics[key].name)]);
    const used = new Set(expressions.flatMap(namesIn).map(withoutPart));
    expect([...used].filter((name) => !known.has(name))).toEqual([]);
    expect(used.size).toBeGreaterThan(50);
  });

  it('that are counters stand in a rate, others do not', () => {
    for (const key of keys) {
      const { name, type } = metrics[key];
      const inRate = new RegExp(String.raw`(?:rate|increase)\(${name}(?:_bucket)?\{`);
      const used = expressions.filter((one) => namesIn(one).map(withoutPart).includes(name));
      for (const expression of used)
        expect([expression, inRate.test(expression)]).toEqual([expression, type !== 'gauge']);
    }
  });

  it('are asked of the chosen jobs and instances alone', () => {
    const chosen = '{job=~"$job",instance=~"$instance"}';
    for (const expression of expressions.filter((one) => !/ALERTS|up\{/.test(one)))
      for (const [braces] of expression.matchAll(/\{[^}]*\}/g))
        expect(`{${braces.slice(1).replace(/^(?:\w+="\w[\w-]*",)*/, '')}`).toBe(chosen);
  });
});

describe('panels', () => {
  const panels = files.flatMap((file) => panelsOf(file).map((panel) => ({ file, panel })));

  it('say what they show, in which unit', () => {
    for (const { panel } of panels) {
      expect(panel.title).toMatch(/^[A-Za-z]/);
      expect(panel.description).toMatch(/^[A-Z].{30,}\.$/s);
      expect(panel.fieldConfig?.defaults.unit).toBeTruthy();
      expect(panel.targets.length).toBeGreaterThan(0);
    }
  });

  it('have rates over $__rate_interval, or what is shown', () => {
    for (const expression of expressions)
      for (const [, range] of expression.matchAll(/\[([^\]]*)\]/g))
        expect(['$__rate_interval', '$__range']).toContain(range);
  });

  it('have a legend for each query, with labels that the query keeps', () => {
    for (const { panel } of panels)
      for (const { expr, legendFormat, format } of panel.targets) {
        if (format !== 'table') expect([expr, legendFormat]).not.toEqual([expr, '']);
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          expect(expr).toMatch(new RegExp(String.raw`by \([^)]*\b${label}\b[^)]*\)`));
      }
  });

  it('lie side by side, and have numbers of their own', () => {
    for (const file of files) {
      const cells = new Set<string>();
      for (const { title, gridPos } of file.panels)
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect(x).toBeLessThan(24);
            expect([title, cells.has(`${x} ${y}`)]).toEqual([title, false]);
            cells.add(`${x} ${y}`);
          }
      const ids = [...file.panels, ...panelsOf(file)].map(({ id, title }) => `${id} ${title}`);
      expect(new Set(ids.map((one) => one.split(' ')[0])).size).toBe(new Set(ids).size);
    }
  });

  it('link to run-books that there are', () => {
    const urls: readonly string[] = ALERTS.map((alert) => runbookUrl(alert));
    for (const { panel } of panels) for (const { url } of panel.links) expect(urls).toContain(url);
  });
});

describe('what Grafana asks Prometheus for', () => {
  const view = (range: number, scrapeInterval: number): View => ({
    from: 1000,
    to: 1000 + range,
    width: 1200,
    scrapeInterval,
    variables: { job: ['a.b'], instance: ['c:1', 'd|e'] },
  });

  it('is a point a scrape at most, in round steps', () => {
    expect(stepOf(view(300, 15), 12)).toBe(15);
    expect(stepOf(view(3600, 15), 12)).toBe(15);
    expect(stepOf(view(6 * 3600, 15), 12)).toBe(30);
    expect(stepOf(view(24 * 3600, 60), 12)).toBe(120);
    expect(stepOf(view(60, 1), 12)).toBe(1);
  });

  it('is a rate over four scrapes at least', () => {
    expect(rateInterval(15, 15)).toBe(60);
    expect(rateInterval(120, 15)).toBe(135);
    expect(rateInterval(60, 60)).toBe(240);
  });

  it('has values in place of variables', () => {
    const expression = 'rate(a{job=~"$job",instance=~"${instance}"}[$__rate_interval])';
    expect(interpolated(expression, view(300, 5), 5)).toBe(
      String.raw`rate(a{job=~"a\\.b",instance=~"(c:1|d\\|e)"}[20s])`,
    );
    expect(() => interpolated('a{b="$c"}', view(300, 5), 5)).toThrow('variable c');
    expect(legend('{{a}} → {{ b }}', { a: '1', b: '2' })).toBe('1 → 2');
  });
});
