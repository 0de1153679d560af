import { describe, expect, it } from 'vitest';
import { load, MINIMAL, warningsOf } from './temporary.js';

async function warningsOfRules(...rules: string[]): Promise<string[]> {
  const lines = rules.map((rule) => `  - ${rule}\n`).join('');
  const sets =
    'sets: { none: { file: none.txt, min_entries: 0 }, nil: { file: none.txt, min_entries: 0 }, one: { file: one.txt } }\n';
  const yaml = `${MINIMAL}${sets}rules:\n${lines}`;
  return warningsOf(await load(yaml, { 'none.txt': '# nothing\n', 'one.txt': '192.0.2.1\n' }));
}

describe('a rule through empty sets', () => {
  it('is warned of', async () => {
    expect(await warningsOfRules('{ name: a, to: none, action: block }')).toEqual([
      'sidetrack.yaml:10:20: rule "a" never matches: the set "none" is empty',
    ]);
    expect(await warningsOfRules('{ name: a, from: [none, nil], action: block }')).toEqual([
      'sidetrack.yaml:10:22: rule "a" never matches: the sets "none", "nil" are empty',
    ]);
  });

  it('is fine as long as anything is left', async () => {
    const fine = await warningsOfRules(
      '{ to: [none, private], action: direct }',
      '{ to: [none, one], action: direct }',
      '{ to: [none, 192.0.2.2], action: direct }',
      '{ from: [none, 02:00:00:00:00:40], action: direct }',
    );
    expect(fine).toEqual([]);
  });
});

describe('a rule that is never reached', () => {
  it('is told together with what is before it', async () => {
    const warnings = await warningsOfRules(
      '{ name: all, action: direct }',
      '{ name: late, to: one, action: block }',
    );
    expect(warnings).toEqual([
      'sidetrack.yaml:11:5: rule "late" is never reached: "all" before it takes every such packet; move it up or remove it',
    ]);
  });

  it.each([
    ['{ action: proxy }', '{ proto: tcp, port: 80, action: direct }', 1],
    ['{ action: proxy }', '{ port: 80, action: direct }', 0],
    ['{ action: proxy }', '{ proto: udp, action: direct }', 0],
    ['{ action: proxy }', '{ to: one, action: direct }', 0],
    ['{ proto: udp, action: block }', '{ action: proxy }', 0],
    ['{ to: one, action: direct }', '{ to: one, action: block }', 0],
    ['{ port: 1-65535, action: direct }', '{ proto: tcp, action: block }', 0],
    ['{ mac: 02:00:00:00:00:40, action: direct }', '{ action: block }', 0],
    ['{ from: one, action: direct }', '{ action: block }', 0],
  ])('%s before %s: %i', async (first, second, count) => {
    expect(await warningsOfRules(first, second)).toHaveLength(count);
  });

  it('may be hidden by two rules together', async () => {
    const [warning, ...others] = await warningsOfRules(
      '{ name: t, proto: tcp, action: direct }',
      '{ name: u, proto: udp, action: direct }',
      '{ name: p, port: 53, action: block }',
      '{ name: o, to: one, action: block }',
    );
    expect(warning).toContain('rule "p" is never reached: "t" and "u" before it');
    expect(others).toEqual([]);
  });
});

describe('a rule that mixes the families up', () => {
  it('is warned of', async () => {
    const rules = [
      '{ name: a, from: 192.0.2.1, to: "2001:db8::/32", action: block }',
      '{ name: b, to: "2001:db8::/32", action: proxy }',
    ];
    expect(await warningsOfRules(...rules)).toEqual([
      'sidetrack.yaml:10:37: rule "a" never matches: "from" is IPv4 and "to" is IPv6',
      'sidetrack.yaml:11:20: rule "b" hands nothing over: the server has no IPv6 address',
    ]);
  });

  it('is fine with a MAC, a set of both families, or nothing said', async () => {
    const fine = await warningsOfRules(
      '{ from: [192.0.2.1, 02:00:00:00:00:40], to: "2001:db8::/32", action: block }',
      '{ from: 192.0.2.1, to: private, action: proxy }',
      '{ to: 192.0.2.1, action: proxy }',
    );
    expect(fine).toEqual([]);
  });
});
