/** nft understands the text of the golden tables as it does the JSON that we give it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Lab } from '../../control/lab/lab.js';
import type { Table } from '../../control/nft/json.js';
import { routerTable } from '../../control/nft/router-table.js';
import { serverTable } from '../../control/nft/server-table.js';
import { SECRET, tableText } from '../../control/nft/text.js';
import { recreateTable } from '../../control/nft/transaction.js';
import { healthy, SECOND_TAG, TAG, THREE } from '../unit/nft/health-tables.js';
import { bridged, diverting, ROUTER, SERVER } from '../unit/nft/tables.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterAll(() => lab?.stop());

/** What a set begins with for some seconds is no part of the text. */
const isSeed = (add?: Record<string, unknown>) =>
  JSON.stringify(add?.element ?? '').includes('timeout');

/** What the kernel has got of the table, without the numbers that it gives to objects. */
async function listed(argv: string[], stdin: string): Promise<unknown[]> {
  await lab.check('router', argv, { stdin });
  const list = ['nft', '-j', '-s', 'list', 'table', 'inet', 'sidetrack'];
  const text = await lab.check('router', list);
  await lab.check('router', ['nft', 'delete', 'table', 'inet', 'sidetrack']);
  const { nftables } = JSON.parse(text, (key, value) => (key === 'handle' ? undefined : value));
  return (nftables as object[]).filter((entry) => !('metainfo' in entry));
}

it.each<[string, Table]>([
  ['the router', routerTable(ROUTER)],
  ['a router that hears heartbeats', healthy()],
  ['a router with a choice of three servers', healthy({ targets: THREE, onFailure: 'direct' })],
  ['a server that redirects', serverTable(SERVER)],
  ['a server whose interface is in a bridge', bridged()],
  ['a server with tproxy', diverting([4, 6])],
])('%s', async (_name, table) => {
  const { nftables } = recreateTable(table);
  const made = { nftables: nftables.filter(({ add }) => !isSeed(add)) };
  const json = await listed(['nft', '-j', '-f', '-'], JSON.stringify(made));
  expect(json.length).toBeGreaterThan(table.chains.length);
  const text = tableText(table);
  for (const tag of [TAG, SECOND_TAG]) expect(text).not.toContain(tag);
  // The text has no secret; nft shall have one all the same.
  const tags = [...JSON.stringify(table).matchAll(/"0x([0-9a-f]{32})"/g)].map(([, tag]) => tag!);
  const whole = text.replaceAll(SECRET, () => `0x${tags.shift()!}`);
  expect(await listed(['nft', '-f', '-'], whole)).toEqual(json);
});
