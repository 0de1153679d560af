/** What holds flows between the loss of a table and its repair. */
import { expect, it } from 'vitest';
import { holdText } from '../../../control/nft/hold.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { serverTable } from '../../../control/nft/server-table.js';
import { diverting, ROUTER, SERVER } from './tables.js';

const chainOf = (text: string, name: string) =>
  new RegExp(`chain ${name} \\{[\\s\\S]*?\\n {2}\\}`).exec(text)?.[0];

it.each([
  ['router', routerTable(ROUTER)],
  ['server that redirects', serverTable(SERVER)],
])('keeps conntrack at work on a %s: a chain of type nat alone does not', (_name, table) => {
  const text = holdText(table);
  expect(text).toContain('flags owner');
  expect(chainOf(text, 'translated')).toMatch(
    /type nat hook prerouting[^\n]*\n\s+ct state new accept/,
  );
});

it('holds nothing on a server of TPROXY, where nothing is translated', () => {
  expect(holdText(diverting([4, 6]))).toBe('');
});

it('gives each client of the router a share of the room', () => {
  const chain = chainOf(holdText(routerTable(ROUTER)), 'prerouting');
  for (const family of [4, 6]) expect(chain).toContain(`update @share${family}`);
  expect(holdText(serverTable(SERVER))).not.toContain('share');
});
