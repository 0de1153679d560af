/** Transactions applied to a table as nft and the kernel treat it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Table } from '../../../control/nft/json.js';
import { tableListing } from '../../../control/nft/listing.js';
import { routerTable } from '../../../control/nft/router-table.js';
import {
  deleteTable,
  objectNames,
  recreateTable,
  replaceObjects,
  restoreListing,
  restoreTable,
  type TableObjects,
} from '../../../control/nft/transaction.js';
import { ModelTable } from '../resources/model-table.js';
import { ROUTER, TARGET } from './tables.js';

/** Tables that differ in chains and in sets, those of flows excepted. */
const tables = fc
  .record({
    rules: fc.subarray([...ROUTER.policy.rules]),
    standard: fc.constantFrom('direct' as const, 'proxy' as const, 'block' as const),
    onFailure: fc.constantFrom('direct' as const, 'block' as const),
    interfaces: fc.subarray(['br-lan', 'lan2', 'lan3'], { minLength: 1 }),
    families: fc.subarray<4 | 6>([4, 6], { minLength: 1 }),
  })
  .map(({ rules, standard, onFailure, interfaces, families }) =>
    routerTable({
      ...ROUTER,
      policy: { rules, default: standard },
      interfaces,
      onFailure,
      targets: [{ ...TARGET, families }],
    }),
  );

const NONE: TableObjects = { sets: [], chains: [] };
const made = (table: Table) => ModelTable.apply(undefined, recreateTable(table))!;
const isPacketFilled = ({ elements }: Table['sets'][number]) => elements === undefined;

/** Everything that may be written again, and what `after` no longer has. */
function difference(before: Table, after: Table): [TableObjects, TableObjects] {
  const there = objectNames(before);
  const names = objectNames(after);
  const dynamic = after.sets.filter(isPacketFilled).map(({ name }) => name);
  return [
    { ...names, sets: names.sets.filter((name) => !dynamic.includes(name)) },
    {
      sets: there.sets.filter((name) => !names.sets.includes(name)),
      chains: there.chains.filter((name) => !names.chains.includes(name)),
    },
  ];
}

describe('a table that is replaced in place', () => {
  it('is the desired one, whatever it was, and no set of flows is touched', () => {
    fc.assert(
      fc.property(tables, tables, (before, after) => {
        const transaction = replaceObjects(after, ...difference(before, after));
        const result = ModelTable.apply(made(before), transaction)!;
        expect(result.snapshot()).toEqual(made(after).snapshot());
        const flushed = transaction.nftables.flatMap(({ flush }) => flush?.set ?? []);
        const names = (flushed as { name: string }[]).map(({ name }) => name);
        expect(names.filter((name) => /^(flows|closing)/.test(name))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('has the old rules and elements again after a roll-back', () => {
    fc.assert(
      fc.property(tables, tables, (before, after) => {
        const found = made(before);
        const listing = tableListing(found.list());
        const changed = ModelTable.apply(
          found,
          replaceObjects(after, ...difference(before, after)),
        );
        const back = ModelTable.apply(changed, restoreListing(listing, after))!;
        expect(back.snapshot()).toEqual(found.snapshot());
      }),
      { numRuns: 50 },
    );
  });
});

it('nothing to change is a transaction that changes nothing', () => {
  const table = routerTable(ROUTER);
  const before = made(table);
  const result = ModelTable.apply(before, replaceObjects(table, NONE, NONE))!;
  expect(result.snapshot()).toEqual(before.snapshot());
});

it('a table that is gone comes back from its listing', () => {
  const before = made(routerTable(ROUTER));
  const gone = ModelTable.apply(before, deleteTable('sidetrack'));
  expect(gone).toBeUndefined();
  const back = ModelTable.apply(gone, restoreTable(tableListing(before.list()), 'sidetrack'))!;
  expect(back.snapshot()).toEqual(before.snapshot());
});
