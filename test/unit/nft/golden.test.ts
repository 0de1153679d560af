/** A change in these files is a change on every router or server. */
import { expect, it } from 'vitest';
import type { Table } from '../../../control/nft/json.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { serverTable } from '../../../control/nft/server-table.js';
import { tableText } from '../../../control/nft/text.js';
import { bridged, diverting, ROUTER, SERVER } from './tables.js';

const namesIn = ({ sets, chains }: Table) => [...sets, ...chains].map(({ name }) => name);
const router = routerTable(ROUTER);

/** Parts of the router's table by what a reader looks for: the first that fits takes a set or chain. */
const PARTS: [string, RegExp][] = [
  ['flow-table-v6', /^(flows|closing|recent|established|promote)6$/],
  ['flow-table', /^((flows|closing|recent|established|promote)4|admit)$/],
  ['client-shares', /^(entered|promoted|over_share)/],
  ['rules', /^(rule\d|set_|classify)/],
  ['unseen-ports', /^(fragments|unseen)$/],
  ['steering', /^(steer|refuse|direct|block|onward|forward|server\d)/],
  ['entering-packets', /./],
];
const partOf = (name: string) => PARTS.find(([, pattern]) => pattern.test(name))![0];

it.each(PARTS.map(([part]) => part))("the router's table is what it was: %s", async (part) => {
  const names = namesIn(router).filter((name) => partOf(name) === part);
  await expect(tableText(router, names)).toMatchFileSnapshot(`./golden/router-${part}.nft`);
});

it.each([
  ['redirect', serverTable(SERVER)],
  ['bridged', bridged()],
  ['tproxy', diverting([4, 6])],
])("the server's table is what it was: %s", async (name, table) => {
  await expect(tableText(table)).toMatchFileSnapshot(`./golden/server-${name}.nft`);
});
