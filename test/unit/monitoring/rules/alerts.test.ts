/** Each alert fires in its case, and not in the near-miss: by Prometheus's own promtool. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metric } from '../../../../monitoring/promql.js';
import { DEFAULTS } from '../../../../monitoring/rules/parameters.js';
import { ruleGroups, rulesFile } from '../../../../monitoring/rules/rules.js';
import { ALERTS, type AlertName } from '../../../../monitoring/runbooks.js';
import { hasPromtool, promtool } from '../promtool.js';
import { type CasesOfAlert, promtoolFile } from './case.js';
import { relayCases } from './relay-cases.js';
import { routerCases } from './router-cases.js';
import { upstreamCases } from './upstream-cases.js';

/** None is forgotten. */
const CASES: Readonly<Record<AlertName, CasesOfAlert>> = {
  ...relayCases,
  ...upstreamCases,
  ...routerCases,
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-rules-'));
  write('rules.yml', rulesFile(DEFAULTS));
  // A group needs no other, and is faster alone.
  for (const { name } of ruleGroups(DEFAULTS)) write(`${name}.yml`, rulesFile(DEFAULTS, [name]));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

const skipped = !hasPromtool;
if (skipped) console.warn('skipped the tests of alerts: promtool is not installed');

describe.skipIf(skipped)('promtool', () => {
  it('accepts the rules, by default and with every parameter changed', async () => {
    await promtool('check', 'rules', '--lint=all', '--lint-fatal', join(directory, 'rules.yml'));
    const other = rulesFile({
      ...DEFAULTS,
      site_label: 'site',
      scale: 1 / 60,
      list_static: 'private|office',
      relay_job: 'relay.lan',
    });
    await promtool('check', 'rules', '--lint=all', '--lint-fatal', write('other.yml', other));
  });

  describe.each(ALERTS)('%s', (alert) => {
    const cases = CASES[alert];
    const fires = cases.fires.map(({ when }) => when).join('; ');
    const quiet = cases.quiet.map(({ when }) => when).join('; ');
    it(`fires when ${fires}; and not when ${quiet}`, async () => {
      await promtool('test', 'rules', write(`${alert}.yml`, promtoolFile(alert, cases)));
    });
  });

  it('tells set-ups apart by a label of their targets', async () => {
    write(
      'sidetrack-relay.yml',
      rulesFile({ ...DEFAULTS, site_label: 'site' }, ['sidetrack-relay']),
    );
    const at = (site: string) => `site="${site}"`;
    const series = (site: string, accepted: string) => ({
      [`${metric('routerRulePackets')}{action="proxy",job="e",${at(site)}}`]: '0+2x30',
      [`${metric('relayConnections')}{job="r",instance="s:9150",${at(site)}}`]: accepted,
    });
    const lost = {
      when: 'one of two set-ups loses its connections',
      series: { ...series('north', '7x30'), ...series('south', '0+2x30') },
      at: 15,
      labels: { site: 'north' },
      description: CASES.SidetrackNothingSteered.fires[0].description,
    };
    const well = {
      ...lost,
      series: { ...series('north', '0+2x30'), ...series('south', '0+2x30') },
    };
    const cases = promtoolFile('SidetrackNothingSteered', { fires: [lost], quiet: [well] });
    await promtool('test', 'rules', write('sites.yml', cases));
    write('sidetrack-relay.yml', rulesFile(DEFAULTS, ['sidetrack-relay']));
  });

  it('can fail: a case is not what the rules say', async () => {
    const { fires, quiet } = CASES.SidetrackReloadFailed;
    const swapped = { fires, quiet: [...quiet, fires[0]] } as const;
    const file = write('swapped.yml', promtoolFile('SidetrackReloadFailed', swapped));
    await expect(promtool('test', 'rules', file)).rejects.toThrow(/FAILED/);
  });
});
