/** The servers as the router judges them: state, since when, why, and what they get. */
import type { ServerHealthState } from '../state.js';
import { fillBadge, fillText, fillWord } from './cells.js';
import { byId } from './dom.js';
import { formatCount, formatFrequency } from './format.js';
import type { Model, View } from './model.js';
import {
  heardText,
  ignoredOf,
  reasonText,
  serverStanding,
  sinceText,
  weightText,
} from './servers.js';
import { createTable } from './table.js';

interface Item {
  server: ServerHealthState;
  at: number;
  /** Packets a second. */
  rate: number | undefined;
}

export function serversView(): View {
  const section = byId('servers', HTMLElement);
  const link = byId('servers-link', HTMLElement);
  const table = createTable<Item>(byId('servers-table', HTMLElement), {
    caption: 'Servers, as the router judges them',
    keyOf: ({ server }) => server.server,
    columns: [
      { title: 'Name', isName: true, fill: (cell, { server }) => fillWord(cell, server.server) },
      { title: 'State', fill: (cell, { server }) => fillBadge(cell, serverStanding(server)) },
      {
        title: 'Since',
        numeric: true,
        roomy: true,
        fill: (cell, { server, at }) => fillText(cell, sinceText(server, at)),
      },
      { title: 'Why', roomy: true, fill: (cell, { server }) => fillWord(cell, reasonText(server)) },
      {
        title: 'Heartbeat',
        hint: 'the last one that was believed',
        numeric: true,
        wide: true,
        fill: (cell, { server, at }) => fillText(cell, heardText(server, at)),
      },
      {
        title: 'Weight',
        numeric: true,
        wide: true,
        fill: (cell, { server }) => fillText(cell, weightText(server)),
      },
      {
        title: 'Flows',
        numeric: true,
        fill: (cell, { server }) => fillText(cell, formatCount(server.flows)),
      },
      {
        title: 'Now',
        hint: 'packets a second',
        numeric: true,
        roomy: true,
        fill: (cell, { rate }) => fillText(cell, formatFrequency(rate)),
      },
      {
        title: 'Ignored',
        hint: 'heartbeats that were not believed',
        numeric: true,
        wide: true,
        fill: (cell, { server }) => fillText(cell, formatCount(ignoredOf(server))),
      },
      {
        title: 'Resets',
        hint: 'packets of live flows that were answered so',
        numeric: true,
        wide: true,
        fill: (cell, { server }) => fillText(cell, formatCount(server.resets)),
      },
      {
        title: 'Returns',
        hint: 'times that it came back',
        numeric: true,
        wide: true,
        fill: (cell, { server }) => fillText(cell, formatCount(server.returns)),
      },
    ],
  });
  return {
    update({ state, rates }: Model) {
      const servers = state?.router?.servers ?? [];
      section.hidden = servers.length === 0;
      link.hidden = servers.length === 0;
      table.show(
        servers.map((server) => ({
          server,
          at: state!.at,
          rate: rates.servers.get(server.server),
        })),
      );
    },
  };
}
