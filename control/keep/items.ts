/** What a host keeps, as functions of a shell for `program.ts`. Pure. */
import { shellWord, shellWords } from '../command/shell.js';
import { hex } from '../config/hex.js';
import type { HostState, ObservedFrom } from '../plan/state.js';
import type { KeepItem } from '../resources/kind.js';
import { RESOURCES } from '../resources/registry.js';

export type Item = KeepItem & { kind: string };

/** In the order in which apply makes them. */
export function hostItems(
  desired: HostState,
  host: Pick<ObservedFrom, 'sidetrack' | 'bpfDirectory' | 'stateDir'>,
): Item[] {
  const items = RESOURCES.flatMap((kind) =>
    (kind.keep?.(kind.desired(desired), host) ?? []).map((item) => ({ kind: kind.name, ...item })),
  );
  return [...items, ...wayItems(desired)];
}

/**
 * Whether steered packets go where rule and route say, as the kernel answers: a rule of others may have come in front. The next hop stands
 * for a client, because the reverse-path filter wants an address of the same link.
 */
function wayItems({ ipRules, routes }: HostState): Item[] {
  return ipRules.flatMap(({ family, iif, mark, table }): Item[] => {
    const hop = routes.find((one) => one.family === family && one.table === table)?.nextHop;
    if (mark === undefined || table === undefined || hop?.dev !== iif) return [];
    const words = shellWords([`${family}`, hop.via, iif, `${mark}`, `${table}`]);
    return [
      {
        kind: 'rule',
        name: `IPv${family} packets with mark ${hex(mark)} from ${iif}`,
        looked: 'routing',
        check: `check_way ${words}`,
        repair: ['leave_way'],
      },
    ];
  });
}

export interface ItemsHead {
  /** Names the items, and what they are read with. It is on the first line of the text. */
  digest: string;
  stateDir: string;
}

export function itemsText(items: readonly Item[], { digest, stateDir }: ItemsHead): string {
  const numbered = items.map((item, index) => ({ ...item, number: index + 1 }));
  const listed = (looked: KeepItem['looked']) =>
    shellWord(
      numbered
        .filter((item) => item.looked === looked)
        .map(({ number }) => number)
        .join(' '),
    );
  const settings = {
    table_name: '',
    table_fixed: '',
    table_flows: '',
    bpf_words: '',
    bpf_loader: '',
  };
  return [
    `digest=${digest}`,
    `state_dir=${shellWord(stateDir)}`,
    `total=${items.length}`,
    ...(['second', 'routing', 'ruleset', 'filters'] as const).map(
      (one) => `of_${one}=${listed(one)}`,
    ),
    ...Object.entries(Object.assign(settings, ...items.map((item) => item.settings))).map(
      ([name, value]) => `${name}=${shellWord(String(value))}`,
    ),
    ...numbered.flatMap(itemLines),
    '',
  ].join('\n');
}

function itemLines({ number, kind, name, check, repair, learn }: Item & { number: number }) {
  return [
    `kind_${number}=${shellWord(kind)}`,
    `name_${number}=${shellWord(name)}`,
    `check_${number}() { ${check}; }`,
    shellFunction(`repair_${number}`, repair),
    `learn_${number}() { ${learn ?? ':'}; }`,
  ];
}

/** Ends at the first line that fails. */
const shellFunction = (name: string, lines: readonly string[]): string =>
  [`${name}() {`, ...lines.map((line) => `  ${line} || return`), '}'].join('\n');
