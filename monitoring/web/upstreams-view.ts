/** What the relay connects through: state, traffic, and what went wrong. */
import type { UpstreamState } from '../state.js';
import { fillBadge, fillText, fillWays, fillWord } from './cells.js';
import { byId } from './dom.js';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatFrequency,
  formatRate,
  formatSeconds,
  oneLine,
  UNKNOWN,
} from './format.js';
import type { Model, View } from './model.js';
import { sumOf } from './rates.js';
import { createTable } from './table.js';
import { upstreamStanding } from './topology.js';

interface Item {
  upstream: UpstreamState;
  at: number;
  rates: { upload: number; download: number; errors: number } | undefined;
}

export function upstreamsView(): View {
  const table = createTable<Item>(byId('upstreams-table', HTMLElement), {
    caption: 'Upstreams of the relay',
    keyOf: ({ upstream }) => upstream.name,
    columns: [
      {
        title: 'Name',
        isName: true,
        fill: (cell, { upstream }) => fillWord(cell, upstream.name),
      },
      {
        title: 'State',
        fill: (cell, { upstream }) => fillBadge(cell, upstreamStanding(upstream)),
      },
      {
        title: 'Since',
        wide: true,
        numeric: true,
        fill: (cell, { upstream, at }) => fillText(cell, formatAge(at - upstream.since)),
      },
      {
        title: 'Open',
        numeric: true,
        roomy: true,
        fill: (cell, { upstream }) => fillText(cell, formatCount(upstream.active)),
      },
      {
        title: 'Now',
        hint: 'download, upload',
        numeric: true,
        fill: (cell, { rates }) =>
          fillWays(cell, formatRate(rates?.upload), formatRate(rates?.download)),
      },
      {
        title: 'Total',
        hint: 'download, upload',
        numeric: true,
        wide: true,
        fill: (cell, { upstream }) =>
          fillWays(cell, formatBytes(upstream.bytes.upload), formatBytes(upstream.bytes.download)),
      },
      {
        title: 'Probe',
        numeric: true,
        wide: true,
        fill: (cell, { upstream }) => fillText(cell, formatSeconds(upstream.probeSeconds)),
      },
      { title: 'Errors', roomy: true, fill: (cell, item) => fillWord(cell, errorsOf(item), 60) },
    ],
  });
  return {
    update({ state, rates }: Model) {
      const relay = state?.relay;
      table.show(
        (relay?.upstreams ?? []).map((upstream) => ({
          upstream,
          at: state!.at,
          rates: rates.upstreams.get(upstream.name),
        })),
      );
      table.say(
        relay === undefined ? 'This page does not know the relay: see the page of its own.' : '',
      );
    },
  };
}

/** The last reason first, then those that happened, the most frequent one first. */
function errorsOf({ upstream, rates }: Item): string {
  const counted = Object.entries(upstream.errors)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${formatCount(count)} ${oneLine(reason, 40)}`);
  if (sumOf(upstream.errors) === 0 && upstream.reason === undefined) return UNKNOWN;
  const last = upstream.reason === undefined ? [] : [`last: ${oneLine(upstream.reason, 40)}`];
  const now = rates && rates.errors > 0 ? [`${formatFrequency(rates.errors)} now`] : [];
  return [...last, ...now, ...counted].join(', ');
}
