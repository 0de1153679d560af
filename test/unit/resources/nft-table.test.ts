import { describe, expect, it } from 'vitest';
import type { Table } from '../../../control/nft/json.js';
import type { ObservedHost } from '../../../control/plan/state.js';
import { nftTable } from '../../../control/resources/nft-table.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';
import { withFlows } from './examples.js';

const { table } = routerWish();
const flows = { name: 'flows4', type: 'ipv4_addr', size: 9, flags: ['timeout' as const] };
const withSets = (...sets: Table['sets']): Table => ({ ...table, sets });

/** As an apply of the table left it. */
function recorded(desired: Table, observed: ObservedHost): ObservedHost {
  const saved = { version: 1 as const, sysctls: {}, objects: {} };
  return { ...observed, saved: { ...saved, ...nftTable.saves!.after(desired, observed) } };
}

const listed = (): ObservedHost => {
  const { listing } = withFlows(bareRouter());
  const chain = { name: 'steer', rules: [] };
  return bareRouter({ listing: { ...listing!, chains: [chain] } });
};

describe('the table', () => {
  it('that is as it was left is left alone', () => {
    const wish = withSets(flows);
    expect(nftTable.diff(wish, recorded(wish, listed()))).toEqual([]);
  });

  it('is created where there is none, and undo deletes it', () => {
    const [change] = nftTable.diff(table, bareRouter());
    expect(change).toMatchObject({ kind: 'create' });
    expect(nftTable.undo(change!, bareRouter())[0]?.stdin).toContain('"delete":{"table"');
  });

  it('is replaced in place where a chain differs, and keeps its flows', () => {
    const wish = withSets(flows);
    const changed = { ...wish, chains: [{ name: 'steer', rules: [{ expr: [{ drop: null }] }] }] };
    const observed = recorded(wish, listed());
    const [change] = nftTable.diff(changed, observed);
    expect(nftTable.title(change!)).toBe(
      'update nft table inet sidetrack (chain steer); live flows stay',
    );
    expect(nftTable.apply(change!, observed).stdin).not.toContain('"delete"');
    expect(nftTable.undo(change!, observed)[0]?.stdin).not.toContain('flows4');
  });

  it('is re-created where the kernel fixed a size, and undo brings the old size back', () => {
    const observed = listed();
    const [change] = nftTable.diff(withSets({ ...flows, size: 10 }), observed);
    expect(nftTable.title(change!)).toContain('size or type of set flows4 changes');
    const [undo] = nftTable.undo(change!, observed);
    expect(undo?.stdin).toMatch(/"delete":{"table".*"name":"flows4".*"size":9/);
  });

  it('clears only where it gives its flows away, or goes', () => {
    const clears = (desired: Table, observed: ObservedHost) =>
      nftTable.diff(desired, observed).map(nftTable.clears);
    expect(clears(table, bareRouter())).toEqual([false]);
    expect(clears(withSets({ ...flows, size: 10 }), listed())).toEqual([false]);
    expect(clears(table, listed())).toEqual([true]);
    expect(nftTable.remove(listed()).map(nftTable.clears)).toEqual([true]);
  });

  it('that is removed leaves others alone', () => {
    expect(nftTable.remove(bareRouter())).toEqual([]);
    const [change] = nftTable.remove(listed());
    expect(JSON.parse(nftTable.apply(change!, listed()).stdin!)).toEqual({
      nftables: [{ delete: { table: { family: 'inet', name: 'sidetrack' } } }],
    });
  });
});
