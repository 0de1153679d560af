/**
 * Tables in nft's own syntax, for people: ours as we write them, and what nft lists of them.
 * test/netns/nft-text.test.ts shows that nft understands the text as it does the JSON. What a later nft
 * may list, and is not known here, stands in the text as JSON.
 */
import { formatV6, parseAddress } from '../config/address.js';
import type { Chain, NftSet, Table } from './json.js';

type Node = Readonly<Record<string, unknown>>;
type Writer = (value: unknown) => string;
type NumberText = (value: number) => string;

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
const keyOf = (node: unknown, key: string): unknown => (isNode(node) ? node[key] : undefined);
const hex: NumberText = (value) => `0x${value.toString(16)}`;

const flagsText = (value: unknown): string =>
  Array.isArray(value) ? `(${value.join(' | ')})` : expressionText(value, hex);
const joined = (value: unknown, separator: string): string =>
  listOf(value)
    .map((one) => expressionText(one))
    .join(separator);
const sides = (value: unknown): [unknown, unknown] => {
  const [left, right] = listOf(value);
  return [left, right];
};

const EXPRESSIONS: Readonly<Record<string, Writer>> = {
  payload: (at) =>
    keyOf(at, 'base') === undefined
      ? `${keyOf(at, 'protocol')} ${keyOf(at, 'field')}`
      : `@${keyOf(at, 'base')},${keyOf(at, 'offset')},${keyOf(at, 'len')}`,
  meta: (of) => `meta ${keyOf(of, 'key')}`,
  ct: (of) => `ct ${keyOf(of, 'dir')} ${keyOf(of, 'key')}`,
  exthdr: (of) =>
    keyOf(of, 'field') === undefined
      ? `exthdr ${keyOf(of, 'name')}`
      : `${keyOf(of, 'name')} ${keyOf(of, 'field')}`,
  fib: (of) => `fib ${listOf(keyOf(of, 'flags')).join(' . ')} ${keyOf(of, 'result')}`,
  concat: (parts) => joined(parts, ' . '),
  '&': (value) => {
    const [left, right] = sides(value);
    return `${expressionText(left)} & ${flagsText(right)}`;
  },
  '|': (value) => {
    const [left, right] = sides(value);
    return `${expressionText(left)} | ${flagsText(right)}`;
  },
  set: (members) => `{ ${joined(members, ', ')} }`,
  range: (ends) => joined(ends, '-'),
  prefix: (of) => `${expressionText(keyOf(of, 'addr'))}/${keyOf(of, 'len')}`,
  elem: (of) => {
    const timeout = keyOf(of, 'timeout');
    const value = expressionText(keyOf(of, 'val'));
    return timeout === undefined ? value : `${value} timeout ${timeout}s`;
  },
  jhash: (of) =>
    `jhash ${expressionText(keyOf(of, 'expr'))} mod ${keyOf(of, 'mod')} seed ${keyOf(of, 'seed')}`,
  rt: (of) => `rt ${keyOf(of, 'family')} ${keyOf(of, 'key')}`,
};

/** One expression, or one element of a set. */
export function expressionText(value: unknown, number: NumberText = String): string {
  if (typeof value === 'number') return number(value);
  if (typeof value === 'string') return address(value);
  if (typeof value === 'boolean') return value ? 'exists' : 'missing';
  return write(EXPRESSIONS, value);
}

/** nft lists `::ffff:0.0.0.0` for what we write as `::ffff:0:0`. */
function address(text: string): string {
  if (!/:.*\./.test(text)) return text;
  const parsed = parseAddress(text);
  return typeof parsed === 'bigint' ? formatV6(parsed) : text;
}

const limitText = (statement: unknown): string => {
  const limit = keyOf(statement, 'limit');
  const over = keyOf(limit, 'inv') === true ? 'over ' : '';
  return ` limit rate ${over}${keyOf(limit, 'rate')}/${keyOf(limit, 'per')} burst ${keyOf(limit, 'burst')} packets`;
};

/** Stands for what only the two machines may know that it is between. */
export const SECRET = '<secret>';

/** Where a heartbeat's tag is; nothing else is matched there. */
function isSecret(left: unknown): boolean {
  const at = keyOf(left, 'payload');
  return keyOf(at, 'base') === 'th' && keyOf(at, 'len') === 128;
}

function matchText(match: unknown): string {
  const [op, left, right] = ['op', 'left', 'right'].map((key) => keyOf(match, key));
  // As nft lists `tcp flags & (fin | rst) != 0`.
  if (op === 'in') return `${expressionText(left)} & ${flagsText(right)} != 0`;
  if (isSecret(left)) return `${expressionText(left)} ${op === '==' ? '' : `${op} `}${SECRET}`;
  const masks = keyOf(left, '&') !== undefined;
  const wanted = expressionText(right, masks && right !== 0 ? hex : String);
  return `${expressionText(left)} ${op === '==' && !masks ? '' : `${op} `}${wanted}`;
}

const STATEMENTS: Readonly<Record<string, Writer>> = {
  match: matchText,
  counter: () => 'counter',
  set: (to) => {
    const limits = listOf(keyOf(to, 'stmt') ?? []).map(limitText);
    const element = `${expressionText(keyOf(to, 'elem'))}${limits.join('')}`;
    return `${keyOf(to, 'op')} ${keyOf(to, 'set')} { ${element} }`;
  },
  mangle: (to) => `${expressionText(keyOf(to, 'key'))} set ${expressionText(keyOf(to, 'value'))}`,
  dnat: (to) => {
    const [family, host] = [keyOf(to, 'family'), keyOf(to, 'addr')];
    return `dnat ${family} to ${family === 'ip6' ? `[${host}]` : host}:${keyOf(to, 'port')}`;
  },
  tproxy: (to) => `tproxy to :${keyOf(to, 'port')}`,
  reject: (how) => `reject with ${keyOf(how, 'type')}`,
  vmap: (of) => {
    const members = listOf(keyOf(keyOf(of, 'data'), 'set')).map((member) => {
      const [key, verdict] = sides(member);
      return `${expressionText(key)} : ${write(STATEMENTS, verdict)}`;
    });
    return `${expressionText(keyOf(of, 'key'))} vmap { ${members.join(', ')} }`;
  },
  goto: (to) => `goto ${keyOf(to, 'target')}`,
  jump: (to) => `jump ${keyOf(to, 'target')}`,
  notrack: () => 'notrack',
  accept: () => 'accept',
  drop: () => 'drop',
  return: () => 'return',
};

function write(writers: Readonly<Record<string, Writer>>, node: unknown): string {
  const [kind, value] = isNode(node) ? (Object.entries(node)[0] ?? []) : [];
  const writer = kind !== undefined && Object.hasOwn(writers, kind) ? writers[kind] : undefined;
  return writer === undefined ? JSON.stringify(node) : writer(value);
}

/** A rule, as written or as listed. */
export function ruleText(rule: { comment?: string; expr: readonly unknown[] }): string {
  const statements = rule.expr.map((statement) => write(STATEMENTS, statement));
  return [...statements, ...(rule.comment === undefined ? [] : [`comment "${rule.comment}"`])].join(
    ' ',
  );
}

interface ChainText {
  hook?: { type: string; hook: string; prio: number };
  rules: readonly { comment?: string; expr: readonly unknown[] }[];
}

/** What a chain consists of: its hook, and its rules. */
export function chainLines({ hook, rules }: ChainText): string[] {
  const base = hook && `type ${hook.type} hook ${hook.hook} priority ${hook.prio}; policy accept;`;
  return [...(base === undefined ? [] : [base]), ...rules.map(ruleText)];
}

/** An element as it stands in a set of that type. */
export function elementText(type: string | readonly string[], element: unknown): string {
  return type === 'ifname' ? `"${element}"` : expressionText(element);
}

type SetAttributes = Pick<NftSet, 'type' | 'flags' | 'size' | 'timeout'>;

/** What a set is, without its elements. */
export function setLines({ type, flags, size, timeout }: SetAttributes): string[] {
  return [
    `type ${[type].flat().join(' . ')}`,
    ...(flags === undefined ? [] : [`flags ${flags.join(', ')}`]),
    ...(size === undefined ? [] : [`size ${size}`]),
    ...(timeout === undefined ? [] : [`timeout ${timeout}s`]),
  ];
}

function setText(set: NftSet): string {
  const { name, type, elements } = set;
  const texts = elements?.map((element) => elementText(type, element));
  return block(`set ${name}`, [
    ...setLines(set),
    ...(texts === undefined ? [] : [`elements = { ${texts.join(', ')} }`]),
  ]);
}

const chainText = (chain: Chain) => block(`chain ${chain.name}`, chainLines(chain));

const block = (head: string, lines: readonly string[]) =>
  `${head} {\n${lines.map((line) => `\t${line.replaceAll('\n', '\n\t')}\n`).join('')}}`;

/** What `nft -f` reads; with `names` only those sets and chains. */
export function tableText(table: Table, names?: readonly string[]): string {
  const wanted = <T extends { name: string }>(objects: readonly T[]) =>
    objects.filter(({ name }) => names?.includes(name) ?? true);
  const objects = [...wanted(table.sets).map(setText), ...wanted(table.chains).map(chainText)];
  return `${block(`table ${table.family} ${table.name}`, objects)}\n`;
}
