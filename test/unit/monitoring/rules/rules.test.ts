import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runProcess } from '../../../../control/hosts/process.js';
import { DEFAULTS, minutesBy } from '../../../../monitoring/rules/parameters.js';
import { alertsReference } from '../../../../monitoring/rules/reference.js';
import { ruleGroups, rulesFile } from '../../../../monitoring/rules/rules.js';
import { ALERTS } from '../../../../monitoring/runbooks.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const written = (path: string) => readFileSync(`${root}/${path}`, 'utf8');
const generate = (...args: string[]) =>
  runProcess([process.execPath, `${root}/build/monitoring/rules/main.js`, ...args]);

describe('generated files (make docs)', () => {
  it('the rules are those of the code', () => {
    expect(written('monitoring/rules/sidetrack.rules.yml')).toBe(rulesFile(DEFAULTS));
  });

  it('docs/alerts.md has them all', () => {
    expect(written('docs/alerts.md')).toBe(alertsReference());
  });
});

describe('conventions', () => {
  const alerts = ruleGroups(DEFAULTS).flatMap((group) => group.alerts);

  it('each name has one rule', () => {
    expect(alerts.map(({ name }) => name)).toEqual(ALERTS);
  });

  it.each(alerts)(
    '$name has a static summary, and says what and where in its description',
    (one) => {
      expect(one.summary).not.toContain('{{');
      expect(one.summary).toMatch(/\.$/);
      const { name, description } = one;
      if (name === 'SidetrackUnfit' || name === 'SidetrackNotApplied')
        expect(description).toContain('$labels.host');
      else expect(description).toMatch(/\$(?:labels|value)/);
    },
  );

  it('what wakes people has held for a while, unless connections already fail', () => {
    const hasty = alerts.filter(({ severity, holds }) => severity === 'critical' && !holds);
    expect(hasty.map(({ name }) => name)).toEqual(['SidetrackOutOfResources']);
  });
});

describe('parameters', () => {
  it.each(['--help', '-h'])('are listed by %s', async (option) => {
    const { status, stdout, stderr } = await generate(option);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const name of Object.keys(DEFAULTS)) expect(stdout).toContain(`  ${name}=`);
  });

  it('change thresholds, selectors, links and times', async () => {
    const { stdout } = await generate(
      ...[
        '--set',
        'connect_p99_seconds=1',
        '--set',
        'relay_job=relays',
        '--set',
        'site_label=site',
      ],
      ...['--set', 'runbooks=https://wiki.lan/{alert}', '--set', 'scale=0.1'],
      ...['--set', 'list_static=private|office'],
    );
    expect(stdout).toContain('p99 > 1\n');
    expect(stdout).toContain('absent(up{job="relays"})');
    expect(stdout).toContain('and on (site)');
    expect(stdout).toContain('runbook_url: https://wiki.lan/SidetrackUpstreamDown\n');
    expect(stdout).toContain('[30s]');
    expect(stdout).toContain('{set!~"private|office"}');
    expect(Object.keys(parse(stdout))).toEqual(['groups']);
  });

  it.each([
    ['half_open=many', '--set half_open: '],
    ['ceiling=1.5', '--set ceiling: '],
    ['relay_job=a"}', 'a job name has letters'],
    ['list_static=a"b', 'has a quote'],
    ['runbooks=https://wiki.lan/', 'has no {alert}'],
    ['nothing=1', 'there are relay_job, '],
    ['half_open', 'write --set name=value'],
  ])('%s is refused, and nothing is printed', async (set, message) => {
    const { status, stdout, stderr } = await generate('--set', set);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it.each([
    [1, 5, '5m'],
    [1, 90, '90m'],
    [1, 60, '1h'],
    [1 / 60, 5, '5s'],
    [1 / 60, 60, '1m'],
    [0.001, 1, '1s'],
  ])('scale %f makes %i minutes %s', (scale, minutes, text) => {
    expect(minutesBy(scale)(minutes)).toBe(text);
  });
});
