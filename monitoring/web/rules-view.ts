/** The router's rules in their order, with what each of them has judged. */
import type { RouterState } from '../state.js';
import { fillText, fillWord } from './cells.js';
import { byId } from './dom.js';
import { formatBytes, formatCount, formatFrequency, formatShare } from './format.js';
import type { Model, View } from './model.js';
import { actionText } from './servers.js';
import { createTable } from './table.js';

interface Item {
  number: number;
  rule: RouterState['rules'][number];
  rate: number | undefined;
  /** Packets of all rules together. */
  total: number;
}

export function rulesView(): View {
  const table = createTable<Item>(byId('rules-table', HTMLElement), {
    caption: 'Rules of the router, in their order',
    keyOf: ({ number, rule }) => `${number} ${rule.rule} ${actionText(rule)}`,
    columns: [
      { title: '#', numeric: true, fill: (cell, { number }) => fillText(cell, String(number)) },
      { title: 'Rule', isName: true, fill: (cell, { rule }) => fillWord(cell, rule.rule) },
      { title: 'Action', fill: (cell, { rule }) => fillWord(cell, actionText(rule), 60) },
      {
        title: 'Packets',
        hint: 'first ones of flows',
        numeric: true,
        fill: (cell, { rule }) => fillText(cell, formatCount(rule.packets)),
      },
      {
        title: 'Share',
        numeric: true,
        wide: true,
        fill: (cell, { rule, total }) => fillText(cell, formatShare(rule.packets, total)),
      },
      {
        title: 'Bytes',
        numeric: true,
        wide: true,
        fill: (cell, { rule }) => fillText(cell, formatBytes(rule.bytes)),
      },
      {
        title: 'Now',
        numeric: true,
        fill: (cell, { rate }) => fillText(cell, formatFrequency(rate)),
      },
    ],
  });
  return {
    update({ state, rates }: Model) {
      const rules = state?.router?.rules ?? [];
      const total = rules.reduce((sum, { packets }) => sum + packets, 0);
      table.show(rules.map((rule, i) => ({ number: i + 1, rule, rate: rates.rules[i], total })));
      table.say(state?.router === undefined ? NOT_READ : '');
    },
  };
}

export const NOT_READ =
  'The router is not read here. Start “sidetrack exporter” on this machine; the page finds it at 127.0.0.1:9151.';
