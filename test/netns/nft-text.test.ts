/** nft understands the text of the golden tables as it does the JSON that we give it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Lab } from '../../control/lab/lab.js';
import type { Table } from '../../control/nft/json.js';
import { routerTable } from '../../control/nft/router-table.js';
import { serverTable } from '../../control/nft/server-table.js';
import { tableText } from '../../control/nft/text.js';
import { recreateTable } from '../../control/nft/transaction.js';
import { bridged, diverting, ROUTER, SERVER } from '../unit/nft/tables.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterAll(() => lab?.stop());

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
  ['a server that redirects', serverTable(SERVER)],
  ['a server whose interface is in a bridge', bridged()],
  ['a server with tproxy', diverting([4, 6])],
])('%s', async (_name, table) => {
  const json = await listed(['nft', '-j', '-f', '-'], JSON.stringify(recreateTable(table)));
  expect(json.length).toBeGreaterThan(table.chains.length);
  expect(await listed(['nft', '-f', '-'], tableText(table))).toEqual(json);
});
