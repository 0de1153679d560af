/** One shell asks nft for our table, and for the elements of those sets that packets do not fill. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../control/hosts/connect.js';
import { ask } from '../../../control/hosts/host.js';
import { intervalDigest, intervalsOf } from '../../../control/nft/address-intervals.js';
import type { NftSet } from '../../../control/nft/json.js';
import { appliedTableQuery, tableQuery } from '../../../control/resources/nft-query.js';

const PATH = process.env.PATH ?? '';
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-nft-'));
  process.env.PATH = `${directory}${delimiter}${PATH}`;
});
afterEach(() => {
  process.env.PATH = PATH;
  rmSync(directory, { recursive: true, force: true });
});

/** With the separators of jansson, which nft prints by. */
const printed = (value: unknown): string =>
  JSON.stringify(value, undefined, 1)
    .replaceAll(/,\n\s*/g, ', ')
    .replaceAll(/\n\s*/g, '');

const set = (name: string, more: object, table = 'sidetrack') => ({
  set: { family: 'inet', name, table, type: 'ipv4_addr', handle: 1, ...more },
});
const TABLE = [
  { table: { family: 'inet', name: 'sidetrack', handle: 7 } },
  set('lan', { flags: ['interval'] }),
  set('flows4', { size: 1024, flags: ['timeout', 'dynamic'], timeout: 7440 }),
  set('two words', {}),
  { chain: { family: 'inet', table: 'sidetrack', name: 'steer', handle: 2 } },
  { rule: { family: 'inet', table: 'sidetrack', chain: 'steer', expr: [{ counter: null }] } },
];
const OTHERS = [
  { table: { family: 'inet', name: 'fw4', handle: 1 } },
  set('lan', { flags: ['interval'] }, 'fw4'),
];

/** An nft with answers to the words behind its options; anything else is a failure of the test's. */
function nft(answers: Record<string, { says: string; status?: number }>): void {
  const cases = Object.entries(answers).map(([words, { says, status = 0 }], i) => {
    writeFileSync(join(directory, `answer${i}`), `${says}\n`);
    const to = status === 0 ? '' : ' >&2';
    return `'${words}') cat ${directory}/answer${i}${to}; exit ${status};;`;
  });
  const script = `#!/bin/sh\ncase "$*" in\n${cases.join('\n')}\n*) echo "unexpected: $*" >&2; exit 9;;\nesac\n`;
  writeFileSync(join(directory, 'nft'), script);
  chmodSync(join(directory, 'nft'), 0o755);
}

const RULESET = '-j -t list ruleset inet';
const ALONE = '-j -t list table inet sidetrack';
const listed = (name: string, elem: string[]) => ({
  [`-j list set inet sidetrack ${name}`]: {
    says: printed({ nftables: [set(name, { elem })] }),
  },
});
const one = (name: string) =>
  TABLE.filter((entry) => !('set' in entry) || entry.set?.name === name);

async function observed() {
  return (
    await ask(await connect({ kind: 'local' }), { table: tableQuery({ stateDir: directory }) })
  ).table;
}

const elementsOf = (found: Awaited<ReturnType<typeof observed>>) =>
  Object.fromEntries(found.listing!.sets.map(({ name, elements }) => [name, elements]));

it('lists what is configured, leaves out what packets fill, and looks at no other table', async () => {
  const entries = TABLE.filter((entry) => !('set' in entry) || entry.set?.name !== 'two words');
  nft({
    [RULESET]: { says: printed({ nftables: [...OTHERS, ...entries] }) },
    ...listed('lan', ['192.0.2.1', '192.0.2.7']),
  });
  const found = await observed();
  expect(found.rulesetUnread).toBeUndefined();
  expect(elementsOf(found)).toEqual({ lan: ['192.0.2.1', '192.0.2.7'], flows4: [] });
  expect(found.listing!.chains.map(({ name, rules }) => [name, rules.length])).toEqual([
    ['steer', 1],
  ]);
});

it('finds a set also where another nft puts an object before its flags', async () => {
  const typed = set('lan', { type: { typeof: { payload: {} } }, flags: ['interval'] });
  const filled = set('flows4', { type: { typeof: {} }, flags: ['timeout'] });
  nft({
    [RULESET]: { says: printed({ nftables: [TABLE[0], typed, filled] }) },
    ...listed('lan', ['192.0.2.1']),
    ...listed('flows4', ['192.0.2.9']),
  });
  expect(elementsOf(await observed())).toEqual({ lan: ['192.0.2.1'], flows4: [] });
});

describe('of a long set that is as it was left', () => {
  const LONG: NftSet = {
    name: 'lan',
    type: 'ipv4_addr',
    flags: ['interval'],
    elements: ['192.0.2.1', '192.0.2.7'],
  };
  const TEXT = 'set lan { 192.0.2.1, 192.0.2.7 }';
  const ANSWERS = {
    [RULESET]: { says: printed({ nftables: one('lan') }) },
    'list set inet sidetrack lan': { says: TEXT },
    ...listed('lan', ['192.0.2.9']),
  };
  const digest = createHash('sha256').update(`${TEXT}\n`).digest('hex');
  const asked = () => ({ stateDir: directory, wantedSets: [LONG] });
  const save = (desired: string, found: string) =>
    writeFileSync(
      join(directory, 'state.json'),
      JSON.stringify({ version: 1, objects: { 'set lan': { desired, listed: found } } }),
    );
  const wanted = intervalDigest(intervalsOf(LONG)!);
  const sets = async (question: typeof tableQuery) =>
    (
      await ask(await connect({ kind: 'local' }), { table: question(asked()) })
    ).table.listing!.sets.filter(({ name }) => name === 'lan');

  it('no element is sent', async () => {
    nft(ANSWERS);
    save(wanted, digest);
    expect(await sets(tableQuery)).toMatchObject([{ digest, elements: LONG.elements }]);
  });

  it.each([
    ['another list is wanted', () => ['c'.repeat(32), digest] as const],
    ['the listing is another', () => [wanted, 'c'.repeat(64)] as const],
    ['an earlier version left it', () => [wanted, ''] as const],
  ])('all are where %s', async (_, saved) => {
    nft(ANSWERS);
    save(...saved());
    const [set] = await sets(tableQuery);
    expect(set).toMatchObject({ elements: ['192.0.2.9'] });
    expect(set).not.toHaveProperty('digest');
  });

  it('all are where nothing is saved', async () => {
    nft(ANSWERS);
    expect(await sets(tableQuery)).toMatchObject([{ elements: ['192.0.2.9'] }]);
  });

  it('and behind an apply only the digest is, which a listing that fails never has', async () => {
    nft(ANSWERS);
    expect(await sets(appliedTableQuery)).toMatchObject([{ digest }]);
    const failed = { says: '', status: 1 };
    nft({ ...ANSWERS, 'list set inet sidetrack lan': failed });
    const [first] = await sets(appliedTableQuery);
    const [second] = await sets(appliedTableQuery);
    expect(first!.digest).not.toBe(second!.digest);
  });
});

it('has no listing where there is no table', async () => {
  nft({ [RULESET]: { says: printed({ nftables: OTHERS }) } });
  expect(await observed()).toEqual({});
});

describe('where nft cannot print the rules of others', () => {
  const refused = { says: 'Error: unknown statement', status: 1 };

  it('lists ours alone, and says why', async () => {
    nft({
      [RULESET]: refused,
      [ALONE]: { says: printed({ nftables: one('lan') }) },
      ...listed('lan', ['192.0.2.1']),
    });
    const found = await observed();
    expect(found.rulesetUnread).toContain('unknown statement');
    expect(elementsOf(found)).toEqual({ lan: ['192.0.2.1'] });
  });

  it('tells a table that is not there from one that cannot be listed', async () => {
    nft({ [RULESET]: refused, [ALONE]: { says: 'Error: No such file or directory', status: 1 } });
    const { listing, rulesetUnread } = await observed();
    expect(listing).toBeUndefined();
    expect(rulesetUnread).toContain('unknown statement');
    nft({ [RULESET]: refused, [ALONE]: refused });
    await expect(observed()).rejects.toMatchObject({
      code: 'command-failed',
      message:
        'local: "nft -j -t list ruleset inet" failed with status 1: Error: unknown statement',
    });
  });
});

it('never takes a set that nft would not list for an empty one', async () => {
  nft({
    [RULESET]: { says: printed({ nftables: one('lan') }) },
    '-j list set inet sidetrack lan': { says: 'Error: out of memory', status: 1 },
  });
  await expect(observed()).rejects.toMatchObject({
    code: 'unexpected-answer',
    message: 'local: nft did not list set lan of sidetrack',
  });
});

it('quotes the name of a set in a command to type: the host says it', async () => {
  const name = 'lan;reboot';
  nft({
    [RULESET]: { says: printed({ nftables: one('lan') }).replaceAll('"lan"', `"${name}"`) },
    [`-j list set inet sidetrack ${name}`]: { says: 'Error: out of memory', status: 1 },
  });
  await expect(observed()).rejects.toMatchObject({
    hint: `see what it says: nft list set inet sidetrack '${name}'`,
  });
});

const versioned = (version: string) => ({
  metainfo: { version, release_name: 'E.D.S.', json_schema_version: 1 },
});

it.each(['0.9.8', '1.0.1', '0.99'])('refuses nft %s in one line', async (version) => {
  nft({ [RULESET]: { says: printed({ nftables: [versioned(version), ...OTHERS] }) } });
  await expect(observed()).rejects.toMatchObject({
    code: 'nft-too-old',
    message: expect.stringMatching(/^local: nft \d[\d.]+ is too old/),
    hint: expect.stringContaining('nft 1.0.2 is needed'),
  });
});

it.each(['1.0.2', '1.0.6', '1.1', '2.0.0', '1.1.1-rc1'])('takes nft %s', async (version) => {
  nft({ [RULESET]: { says: printed({ nftables: [versioned(version), ...OTHERS] }) } });
  expect(await observed()).toEqual({});
});
