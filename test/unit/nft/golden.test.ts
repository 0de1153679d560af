/** A change in these files is a change on every router or server. */
import { expect, it } from 'vitest';
import type { Table } from '../../../control/nft/json.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { serverTable } from '../../../control/nft/server-table.js';
import { tableText } from '../../../control/nft/text.js';
import { healthy } from './health-tables.js';
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

/** What heartbeats add, and what a choice of servers does, but its slots. */
const HEALTH_PARTS: [string, RegExp][] = [
  ['servers-health', /^(alive|held|since|rise|flaps)\d|^(keep|heard|reasons|known_macs)$/],
  [
    'servers-heartbeats',
    /^(fit|back|heartbeat)|^(server_packet|elsewhere|input|own_resets|from_server|prerouting|ipv6)$/,
  ],
  ['servers-choice', /^(try|late|enter|settled|moved|forget|choose|admit|slots|steer)/],
];

it.each(HEALTH_PARTS)(
  "the router's table with heartbeats is what it was: %s",
  async (part, pattern) => {
    const table = healthy();
    const names = namesIn(table).filter((name) => pattern.test(name));
    await expect(tableText(table, names)).toMatchFileSnapshot(`./golden/router-${part}.nft`);
  },
);

it.each([
  ['redirect', serverTable(SERVER)],
  ['bridged', bridged()],
  ['tproxy', diverting([4, 6])],
])("the server's table is what it was: %s", async (name, table) => {
  await expect(tableText(table)).toMatchFileSnapshot(`./golden/server-${name}.nft`);
});
