/** Differences as lines for people. Pure: the colours are the command line's. */
import type { Difference } from './difference.js';
import { type DiffLine, lineDiff } from './line-diff.js';

/** `inner`: a line of the thing that the line before is about. `alarm`: it breaks or loses something. */
export interface PlanLine {
  sign: ' ' | '+' | '-' | '~';
  text: string;
  inner?: boolean;
  alarm?: boolean;
}

/** Lines of one thing that are shown where not all are asked for. */
const MOST_LINES = 12;
const EXAMPLES = 3;

/**
 * What one step changes.
 * @param full nothing is shortened
 */
export function differenceLines(differences: readonly Difference[], full: boolean): PlanLine[] {
  const created = differences.some(({ kind, action }) => kind === 'table' && action === 'added');
  if (created && !full) return [tableSummary(differences)];
  return differences.flatMap((one) => linesOf(one, full));
}

/** A table that was not there: all of it would be new. */
function tableSummary(differences: readonly Difference[]): PlanLine {
  const of = (kind: Difference['kind']) => differences.filter((one) => one.kind === kind);
  const rules = of('chain')
    .flatMap(({ after = '' }) => after.split('\n'))
    .filter((line) => line !== '' && !line.startsWith('type '));
  const elements = of('set').reduce((sum, { elements: { after = 0 } = {} }) => sum + after, 0);
  const number = (many: number, what: string) => `${many} ${what}${many === 1 ? '' : 's'}`;
  const chains = `${number(of('chain').length, 'chain')} with ${number(rules.length, 'rule')}`;
  const counts = `${chains}, ${number(of('set').length, 'set')} with ${number(elements, 'element')}`;
  return { sign: '+', text: `${counts} (all of it: sidetrack plan --full)` };
}

function linesOf(difference: Difference, full: boolean): PlanLine[] {
  const { kind, name, action, before, after, elements, destructive } = difference;
  if (kind === 'table') return [];
  if (kind === 'chain' || kind === 'set' || kind === 'file')
    return [
      { sign: SIGNS[action], text: headline(difference), ...(destructive && { alarm: true }) },
      ...(kind === 'set' && action !== 'changed'
        ? []
        : inner(lineDiff(before ?? '', after ?? ''), full)),
      ...(full && elements ? elementLines(elements.removed, elements.added) : []),
    ];
  // The title of the step has it already.
  if (kind === 'sysctl') return [];
  const lost = { ...(destructive && { alarm: true }) };
  return [
    ...(before === undefined
      ? []
      : [{ sign: '-' as const, text: `${TOOL[kind]}${before}`, ...lost }]),
    ...(after === undefined ? [] : [{ sign: '+' as const, text: `${TOOL[kind]}${after}` }]),
  ].map((line) => ({ ...line, text: line.text || name }));
}

const TOOL = {
  route: 'ip route ',
  rule: 'ip rule ',
  classifier: '',
  table: '',
  package: 'package ',
  unit: 'unit ',
} as const;
const SIGNS = { added: '+', changed: '~', removed: '-' } as const;

function headline({ kind, name, action, before, after, elements }: Difference): string {
  const what = `${kind} ${name}`;
  if (elements !== undefined) return `${what}: ${elementsText(elements)}`;
  if (kind === 'set' && action !== 'changed')
    return `${what}: ${(before ?? after ?? '').replaceAll('\n', ', ')}`;
  const same = action === 'changed' && before === after;
  return same ? `${what}: written anew, since no earlier apply knows it; the same text` : what;
}

/** `+12 −3 of 100000, e.g. +192.0.2.0/24, −198.51.100.0/24`. */
function elementsText({
  before,
  after,
  added,
  removed,
}: NonNullable<Difference['elements']>): string {
  const signed = [
    ...(added.length > 0 ? [`+${added.length}`] : []),
    ...(removed.length > 0 ? [`−${removed.length}`] : []),
  ].join(' ');
  const few = added.length + removed.length <= 2 * EXAMPLES;
  const shown = few ? Math.max(added.length, removed.length) : EXAMPLES;
  const examples = [
    ...added.slice(0, shown).map((one) => `+${one}`),
    ...removed.slice(0, shown).map((one) => `−${one}`),
  ];
  if (examples.length === 0) return `the same ${after} elements, written anew`;
  return `${signed} of ${Math.max(before, after)} elements${few ? ':' : ', e.g.'} ${examples.join(', ')}`;
}

function elementLines(removed: readonly string[], added: readonly string[]): PlanLine[] {
  return [
    ...removed.map((text): PlanLine => ({ sign: '-', text, inner: true })),
    ...added.map((text): PlanLine => ({ sign: '+', text, inner: true })),
  ];
}

/** What stays is left out; it is in `nft list`. */
function inner(lines: readonly DiffLine[], full: boolean): PlanLine[] {
  const changed = lines.filter(({ sign }) => sign !== ' ');
  const shown = full ? changed : changed.slice(0, MOST_LINES);
  const rest = changed.length - shown.length;
  return [
    ...shown.map(({ sign, text }) => ({ sign, text, inner: true })),
    ...(rest > 0
      ? [{ sign: ' ' as const, text: `… ${rest} more lines (--full)`, inner: true as const }]
      : []),
  ];
}
