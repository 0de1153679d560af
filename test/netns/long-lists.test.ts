/** Sets of addresses in the kernel: changed by what differs, and told by a digest where nothing does. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { undoThere } from '../../control/apply/nft-undo.js';
import { scriptLine } from '../../control/command/batch.js';
import type { Command } from '../../control/command/command.js';
import { readIntervals } from '../../control/nft/address-intervals.js';
import { addressSet } from '../../control/nft/elements.js';
import { NFT_RUN, type NftSet, type Table } from '../../control/nft/json.js';
import { parseListing } from '../../control/nft/listing.js';
import { inverse, setDelta } from '../../control/nft/set-delta.js';
import { replaceObjects } from '../../control/nft/transaction.js';
import { PrefixSet } from '../../control/policy/prefix-set.js';
import { CLASSIFIER, CLI, Fixture } from './fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());

const nft = (...words: string[]) => fixture.lab.check('router', ['nft', ...words]);

/** Numbers below the bound, the same in each run. */
function numbers(seed: number) {
  let state = seed;
  return (bound: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % bound;
  };
}

describe('the kernel', () => {
  const NONE = { sets: [], chains: [] };
  const only = (set: NftSet): Table => ({ family: 'inet', name: 'long', sets: [set], chains: [] });
  const write = (transaction: object) =>
    fixture.lab.check('router', ['nft', '-j', '-f', '-'], { stdin: JSON.stringify(transaction) });
  const held = async (name: string) =>
    readIntervals(
      parseListing(await nft('-j', 'list', 'set', 'inet', 'long', name)).sets[0]!.elements,
    );

  /** A few prefixes in a narrow space, so that they touch, overlap and reach both ends of it. */
  function randomSet(family: 4 | 6, next: (bound: number) => number): NftSet {
    const [bits, ends] = family === 4 ? [32, ['0.0.0.0', '255.255.255']] : [128, ['::', 'ffff::']];
    const list = Array.from({ length: 1 + next(30) }, () => {
      const length = bits - next(7);
      const low = (next(256) >> (bits - length)) << (bits - length);
      const first =
        family === 4
          ? `${next(2) ? '0.0.0' : ends[1]}.${low}`
          : `${next(2) ? '' : 'ffff'}::${low.toString(16)}`;
      return `${first}/${length}`;
    });
    const ranges = next(3) === 0 ? [family === 4 ? '0.0.0.0/1' : '::/1'] : [];
    const all =
      family === 4 ? ['255.255.255.255/32'] : ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128'];
    const last = next(3) === 0 ? all : [];
    return addressSet(`list${family}`, family, PrefixSet.parseAll([...list, ...ranges, ...last]))!;
  }

  it.each([4, 6] as const)(
    'holds of IPv%s exactly what is desired behind each change of some elements, and its undoing',
    async (family) => {
      const next = numbers(family);
      let before = randomSet(family, next);
      const names = { sets: [before.name], chains: [] };
      await write(replaceObjects(only(before), names, NONE));
      for (let round = 0; round < 25; round++) {
        const after = randomSet(family, next);
        const delta = setDelta(after, before.elements!)!;
        const change = (set: NftSet, one: typeof delta) =>
          write(replaceObjects(only(set), names, NONE, { [set.name]: one }));
        await change(after, delta);
        expect(await held(after.name)).toEqual(readIntervals(after.elements!));
        await change(before, inverse(delta));
        expect(await held(after.name)).toEqual(readIntervals(before.elements!));
        await change(after, delta);
        before = after;
      }
      await nft('delete', 'table', 'inet', 'long');
    },
  );
});

describe.skipIf(CLASSIFIER !== 'nftables')('apply', () => {
  const COUNT = 3000;
  const lines = Array.from({ length: COUNT }, (_, i) =>
    i % 3 === 0 ? `2001:db8:${i.toString(16)}::/48` : `100.${i >> 8}.${i & 255}.0/25`,
  );
  let file: string;
  const state = '/run/sidetrack/netns/router/state.json';

  beforeEach(async () => {
    file = `${fixture.directory}/long.txt`;
    writeFileSync(file, lines.join('\n'));
    fixture.configureWith([
      ['rules:', `sets: { long: { file: ${file} } }\nrules:\n  - { to: long, action: direct }`],
    ]);
    await fixture.succeed('apply');
  });

  const apply = async () => {
    const { status, stdout, stderr } = await fixture.sidetrack('apply');
    return {
      status,
      stdout,
      steps: stderr.split('\n').filter((line) => /^ {2}router: /.test(line)),
    };
  };
  const NOTHING = { status: 0, stdout: expect.stringContaining('Nothing changes'), steps: [] };
  const count = async (name: string) =>
    parseListing(await nft('-j', 'list', 'set', 'inet', 'sidetrack', name)).sets[0]!.elements
      .length;

  it('sends the elements that differ, and nothing where none does', async () => {
    expect(await apply()).toMatchObject(NOTHING);
    writeFileSync(file, [...lines.slice(5), '100.99.0.1', '2001:db8:ffff::/48'].join('\n'));
    const { steps } = await apply();
    expect(steps).toEqual([
      expect.stringMatching(/set set_long_4: \+1 −3 of 1998, set set_long_6: \+2 −5 of 2997\)/),
    ]);
    expect(await count('set_long_4')).toBe(1998);
    expect(await apply()).toMatchObject(NOTHING);
  });

  it('finds an element that was added or deleted by hand, and repairs that alone', async () => {
    for (const [verb, element, delta] of [
      ['add', '{ 9.9.9.9 }', '+0 −1'],
      ['delete', '{ 100.0.1.0/25 }', '+1 −0'],
    ] as const) {
      await nft(verb, 'element', 'inet', 'sidetrack', 'set_long_4', element);
      expect((await fixture.sidetrack('status')).status).toBe(1);
      expect((await apply()).steps).toEqual([
        expect.stringContaining(`set set_long_4: ${delta} of`),
      ]);
    }
    expect(await apply()).toMatchObject(NOTHING);
  });

  it('finds an element in the place of another, and one that is more than an interval', async () => {
    await nft('delete', 'element', 'inet', 'sidetrack', 'set_long_4', '{ 100.0.1.0/25 }');
    await nft('add', 'element', 'inet', 'sidetrack', 'set_long_4', '{ 100.0.1.0/26 }');
    expect((await apply()).steps).toEqual([expect.stringContaining('set_long_4: +1 −1 of')]);
    await nft('add', 'element', 'inet', 'sidetrack', 'set_long_4', '{ 9.9.9.9 comment "mine" }');
    expect((await apply()).steps).toEqual([expect.stringContaining('(set set_long_4)')]);
    expect(await apply()).toMatchObject(NOTHING);
    expect(await count('set_long_4')).toBe(2000);
  });

  it('asks nft for a digest of each long set, and for the elements of those that changed', async () => {
    const path = `${fixture.directory}/noting`;
    const log = `${path}/log`;
    const script = `mkdir -p ${path}; printf '#!/bin/sh\\necho "$*" >> ${log}; exec %s "$@"' "$(command -v nft)" > ${path}/nft; chmod +x ${path}/nft`;
    await fixture.lab.check(undefined, ['sh', '-c', script]);
    const asked = async () => {
      writeFileSync(log, '');
      await fixture.sidetrackWith({ env: { PATH: `${path}:${process.env.PATH}` } }, 'apply');
      const said = readFileSync(log, 'utf8').split('\n');
      // Digests are made side by side where there is room.
      return said.filter((line) => line.includes('set_long')).sort();
    };
    const digest = (family: number) => `list set inet sidetrack set_long_${family}`;
    expect(await asked()).toEqual([digest(4), digest(6)]);
    writeFileSync(file, [...lines, '2001:db8:ffff::/48'].join('\n'));
    expect(await asked()).toEqual([`-j ${digest(6)}`, digest(4), digest(4), digest(6)]);
  });

  it('of 100 000 prefixes that are as they were costs what nft takes to list them, and little more', async () => {
    const next = numbers(1);
    const many = Array.from(
      { length: 70_000 },
      (_, i) => `${11 + (i >> 14)}.${(i >> 6) & 255}.${(i & 63) << 2}.${2 * next(99)}`,
    );
    const many6 = Array.from({ length: 30_000 }, (_, i) => `2400:${(2 * i).toString(16)}::/32`);
    writeFileSync(file, [...many, ...many6].join('\n'));
    await fixture.succeed('apply');
    const cpu = async (node: string | undefined, ...argv: string[]) => {
      const timed = ['bash', '-c', 'TIMEFORMAT="%U %S"; time "$@"', 'bash', ...argv];
      const { stdout, stderr } = await fixture.lab.run(node, timed);
      const [user, system] = stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
      return { stdout, seconds: user! + system! };
    };
    const sidetrack = (verb: string) =>
      cpu(undefined, process.execPath, CLI, verb, '-c', fixture.configFile);
    const second = await sidetrack('apply');
    expect(second.stdout).toContain('Nothing changes');
    const list = (family: number) =>
      cpu('router', 'nft', 'list', 'set', 'inet', 'sidetrack', `set_long_${family}`);
    const listed = (await list(4)).seconds + (await list(6)).seconds;
    // To start and to read the list, as `check` does, is a third of the rest on a machine at rest.
    const { seconds: read } = await sidetrack('check');
    expect(second.seconds).toBeLessThan(1.5 * listed + 6 * read);
  });

  it('takes what an earlier version saved for what it is: no reason to change a set', async () => {
    const read = () => fixture.lab.check('router', ['cat', state]);
    const saved = await read();
    const earlier = JSON.parse(saved) as { objects: Record<string, object> };
    earlier.objects['set set_long_4'] = { desired: 'a'.repeat(32), listed: 'b'.repeat(32) };
    await fixture.lab.check('router', ['tee', state], { stdin: JSON.stringify(earlier) });
    expect(await apply()).toMatchObject(NOTHING);
    expect(await read()).toBe(saved);
  });

  it('does without a program that makes digests', async () => {
    const path = `${fixture.directory}/no-digests`;
    const link = `mkdir ${path} && ln -s -f -t ${path} /usr/bin/* /usr/sbin/* && rm ${path}/*sum`;
    await fixture.lab.check(undefined, ['sh', '-c', link]);
    const env = { PATH: path };
    for (const listed of [1, 2]) {
      const { stdout, stderr } = await fixture.sidetrackWith({ env }, 'apply');
      expect([listed, stdout, stderr]).toEqual([
        listed,
        expect.stringContaining('Nothing changes'),
        expect.any(String),
      ]);
    }
    await nft('add', 'element', 'inet', 'sidetrack', 'set_long_4', '{ 9.9.9.9 }');
    const { stderr } = await fixture.sidetrackWith({ env }, 'apply');
    expect(stderr).toContain('set set_long_4: +0 −1 of 2000');
    expect((await fixture.sidetrackWith({ env }, 'apply')).stdout).toContain('Nothing changes');
  });
});

it('a host puts a long list back by itself also where one message to the kernel holds too little', async () => {
  const NONE = { sets: [], chains: [] };
  const listOf = (last: number): Table => {
    const prefixes = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 8}.${i & 255}.${last}/32`);
    const set = addressSet('china', 4, PrefixSet.parseAll(prefixes))!;
    return { family: 'inet', name: 'long', sets: [set], chains: [] };
  };
  const names = { sets: ['china'], chains: [] };
  const write = (table: Table): Command => ({
    argv: NFT_RUN,
    stdin: JSON.stringify(replaceObjects(table, names, NONE)),
  });
  const undo = undoThere(write(listOf(1)));
  const small = write({
    ...listOf(1),
    sets: [addressSet('china', 4, PrefixSet.parseAll(['10.0.0.9/32']))!],
  });
  expect(undoThere(small)).toEqual(small);
  const script = [
    scriptLine(small),
    `${scriptLine(write(listOf(1)))} 2>&1 | grep -o 'Message too long'`,
    `${scriptLine(undo)} || exit`,
    "nft list set inet long china | grep -o '10[.][0-9]*[.][0-9]*[.][19]' | sort -u | wc -l",
    "nft list set inet long china | grep -c '10[.]0[.]0[.]9'",
  ].join('\n');
  const own = spawnSync('unshare', ['--user', '--map-root-user', '--net', 'sh'], {
    input: script,
    encoding: 'utf8',
  });
  expect(own).toMatchObject({ stdout: 'Message too long\n20000\n0\n', stderr: '' });
  // Where it fits, it is one transaction.
  await fixture.lab.check('router', ['sh', '-c', undo.argv[2]!, 'sh', undo.argv[4]!], {
    stdin: undo.stdin!,
  });
  await nft('delete', 'table', 'inet', 'long');
}, 60_000);
