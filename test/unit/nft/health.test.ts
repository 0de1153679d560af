import { describe, expect, it } from 'vitest';
import { divide } from '../../../control/nft/divide.js';
import { HEARD_SECONDS, LEARNED_MACS } from '../../../control/nft/health-sets.js';
import { heartbeatComment, parseHeartbeatComment } from '../../../control/nft/heartbeats.js';
import {
  type ListedSet,
  listingDigests,
  nftAnswer,
  tableListing,
} from '../../../control/nft/listing.js';
import { type AskedServer, serverHealth } from '../../../control/nft/server-health.js';
import { elementDelta } from '../../../control/nft/set-delta.js';
import { chainLines, tableText } from '../../../control/nft/text.js';
import { objectNames, replaceObjects, restoreListing } from '../../../control/nft/transaction.js';
import { tableDifferences } from '../../../control/resources/table-differences.js';
import { FIRST, healthy, SECOND, SECOND_TAG, TAG, THREE } from './health-tables.js';

const NONE = { sets: [], chains: [] };
const table = healthy();
const seeded = (commands: readonly Record<string, Record<string, unknown>>[]) =>
  commands.flatMap(({ add }) => {
    const { name, elem = [] } = (add?.element ?? {}) as { name?: string; elem?: unknown[] };
    return JSON.stringify(elem).includes('"timeout":5') ? [`${name}: ${elem.length}`] : [];
  });

describe('what a router begins with', () => {
  it('is that all servers are alive for some seconds', () => {
    const { nftables } = replaceObjects(table, objectNames(table), NONE);
    expect(seeded(nftables)).toEqual(['alive4: 2', 'alive6: 1', 'keep: 2']);
  });

  it('is not touched where nothing of it changes; of a server that comes or has another mark live flows alone are believed', () => {
    const apply = (...chains: string[]) =>
      replaceObjects(table, { sets: [], chains }, NONE).nftables;
    expect(seeded(apply('heartbeat', 'prerouting', 'heartbeats'))).toEqual([]);
    expect(seeded(apply('steer_1'))).toEqual(['keep: 1']);
  });

  it('is what a roll-back begins with where it brings the sets back', () => {
    const entries = replaceObjects(table, objectNames(table), NONE).nftables;
    const added = entries.flatMap(({ add }) => add ?? []);
    const listing = tableListing(nftAnswer.parse({ nftables: added }));
    const without = healthy({
      targets: [FIRST, SECOND].map(({ heartbeat: _h, ...one }) => one),
    });
    expect(seeded(restoreListing(listing, without).nftables)).toEqual([
      'alive4: 2',
      'alive6: 2',
      'keep: 2',
    ]);
    expect(seeded(restoreListing(listing, table).nftables)).toEqual([]);
  });
});

describe('a tag', () => {
  it('is in no text', () => {
    const text = [tableText(table), ...table.chains.flatMap(chainLines)].join('\n');
    const changes = tableDifferences({ kind: 'create', table });
    for (const tag of [TAG, SECOND_TAG]) {
      expect(text).not.toContain(tag);
      expect(JSON.stringify(changes)).not.toContain(tag);
    }
    expect(text).toContain('@th,192,128 != <secret>');
  });

  it('is in none of a listing either, however nft writes it', () => {
    const left = { payload: { base: 'th', offset: 192, len: 128 } };
    for (const right of [TAG, `0x${TAG.replace(/^0+/, '')}`, 1.2e38])
      expect(chainLines({ rules: [{ expr: [{ match: { op: '!=', left, right } }] }] })).toEqual([
        '@th,192,128 != <secret>',
      ]);
  });
});

it('heartbeats change no digest: neither elements with a time-out nor learned MACs', () => {
  const set = (name: string, type: string, elem: unknown[]) => ({
    set: { name, type, chain: '', flags: ['timeout'], size: 9, elem },
  });
  const macs = ['02:00:00:00:00:01'];
  const learned = { elem: { val: '02:00:00:00:00:09', timeout: 300, expires: 200 } };
  const alive = { elem: { val: 150, timeout: 2, expires: 1 } };
  const quiet = tableListing({
    nftables: [set('alive4', 'mark', []), set(LEARNED_MACS, 'ether_addr', macs)],
  });
  const loud = tableListing({
    nftables: [set('alive4', 'mark', [alive]), set(LEARNED_MACS, 'ether_addr', [...macs, learned])],
  });
  expect(listingDigests(loud)).toEqual(listingDigests(quiet));
  const wanted = { name: LEARNED_MACS, type: 'ether_addr', elements: ['02:00:00:00:00:02'] };
  expect(elementDelta(wanted, loud.sets[1]!.elements)).toEqual({
    added: ['02:00:00:00:00:02'],
    removed: macs,
  });
});

it('maps of slots go ahead of what leads to them where one message is too long', () => {
  const three = healthy({ targets: THREE });
  const whole = replaceObjects(three, objectNames(three), NONE);
  const [first, ...others] = divide(whole, []);
  const last = others.pop()!;
  const long = others.filter(({ nftables }) => JSON.stringify(nftables).includes('"vmap"'));
  expect(long.length).toBe(2);
  for (const { nftables } of long) expect(nftables).toHaveLength(1);
  expect(JSON.stringify(last)).not.toContain('"vmap"');
  // A chain is there before another one leads to it.
  expect(JSON.stringify(first)).toContain('"name":"try4_2"');
  expect(JSON.stringify(first)).not.toContain('"hook"');
});

it('a plan tells maps of slots by what each target has of them', () => {
  const three = healthy({ targets: THREE });
  const slots = tableDifferences({ kind: 'create', table: three }).find(({ after }) =>
    after?.includes('vmap'),
  );
  expect(slots!.after!.split('\n')[0]).toMatch(
    /^jhash ip saddr mod 1021 seed \d+ vmap \{ \d+ slots : jump try4(_\d)?, \d+ slots : jump try4(_\d)?, \d+ slots : jump try4(_\d)? \}$/,
  );
});

describe('what is known of the servers', () => {
  const asked: AskedServer = {
    name: 'server1',
    mark: 150,
    families: [4, 6],
    health: 'heartbeat',
    drained: false,
  };
  const element = (val: unknown, expires: number) => ({ elem: { val, timeout: 9, expires } });
  const set = (name: string, ...elements: unknown[]): ListedSet => ({
    name,
    type: 'mark',
    dynamic: true,
    elements,
  });
  const of = (...sets: ListedSet[]) => serverHealth({ sets, chains: [] }, [asked])[0]!;

  it('is nothing before the first heartbeat', () => {
    expect(of()).toEqual({
      server: 'server1',
      health: 'heartbeat',
      drained: false,
      families: { 4: 'unknown', 6: 'unknown' },
      ignored: { tag: 0, address: 0, mac: 0, replay: 0, malformed: 0 },
    });
  });

  it('is who is alive, held, rising, unfit or silent', () => {
    const heard = set('heard', element(150, HEARD_SECONDS - 1));
    const alive = set('alive4', element(150, 1));
    expect(of(heard, alive).families).toEqual({ 4: 'alive', 6: 'unfit' });
    expect(of(heard, alive, set('held4', element(150, 3))).families[4]).toBe('held');
    expect(of(heard, set('rise6_1', element(150, 1))).families[6]).toBe('rising');
    expect(of(set('heard', element(150, HEARD_SECONDS - 9))).families[4]).toBe('silent');
    expect(of(heard, set('alive4', element(151, 1))).families[4]).toBe('unfit');
  });

  it('is since when, and what it said last', () => {
    const said = (port: number, left: number) => element({ concat: [150, port] }, left);
    const known = of(
      set('heard', element(150, HEARD_SECONDS - 2)),
      set('alive4', element(150, 1)),
      set('since4', element(150, HEARD_SECONDS - 70)),
      set('reasons', said(9160, 50), said(9165, 60), said(9163, 40)),
    );
    expect(known).toMatchObject({ lastHeardSeconds: 2, aliveSeconds: 70, reason: 'upstreams' });
  });

  it('is what was ignored, by what was wrong', () => {
    const rule = (comment: string, packets: number) => ({ comment, packets, bytes: 0, expr: [] });
    const rules = [
      rule(heartbeatComment('server1', 'tag'), 3),
      rule(heartbeatComment('server1', 'malformed'), 1),
      rule(heartbeatComment('server1', 'malformed'), 1),
      rule(heartbeatComment('server1'), 99),
      rule(heartbeatComment('server10', 'tag'), 7),
    ];
    const [known] = serverHealth({ sets: [], chains: [{ name: 'heartbeat', rules }] }, [asked]);
    expect(known!.ignored).toEqual({ tag: 3, address: 0, mac: 0, replay: 0, malformed: 2 });
    expect(parseHeartbeatComment('heartbeat of no server')).toBeUndefined();
    expect(parseHeartbeatComment('steered')).toBeUndefined();
  });
});
