/**
 * Our tables in nft's own syntax, for people who read golden files. test/netns/nft-text.test.ts shows
 * that nft understands the text as it does the JSON.
 */
import type {
  Chain,
  Expression,
  NftSet,
  Rule,
  Statement,
  Table,
} from '../../../control/nft/json.js';

type Named = Exclude<Expression, string | number | boolean>;
type Writers<T> = { [K in T extends object ? keyof T : never]?: (value: never) => string };

const hex = (value: number) => `0x${value.toString(16)}`;
const bits = (value: Expression | string[]): string =>
  Array.isArray(value) ? `(${value.join(' | ')})` : expression(value, hex);

const EXPRESSIONS: Writers<Named> = {
  payload: (
    at: { protocol: string; field: string } | { base: string; offset: number; len: number },
  ) => ('base' in at ? `@${at.base},${at.offset},${at.len}` : `${at.protocol} ${at.field}`),
  meta: ({ key }: { key: string }) => `meta ${key}`,
  ct: ({ key, dir }: { key: string; dir: string }) => `ct ${dir} ${key}`,
  exthdr: ({ name, field }: { name: string; field?: string }) =>
    field === undefined ? `exthdr ${name}` : `${name} ${field}`,
  fib: ({ result, flags }: { result: string; flags: string[] }) =>
    `fib ${flags.join(' . ')} ${result}`,
  concat: (parts: Expression[]) => parts.map((part) => expression(part)).join(' . '),
  '&': ([left, right]: [Expression, Expression | string[]]) =>
    `${expression(left)} & ${bits(right)}`,
  '|': ([left, right]: [Expression, Expression]) => `${expression(left)} | ${bits(right)}`,
  set: (members: Expression[]) => `{ ${members.map((one) => expression(one)).join(', ')} }`,
  range: ([first, last]: [string | number, string | number]) => `${first}-${last}`,
  prefix: ({ addr, len }: { addr: string; len: number }) => `${addr}/${len}`,
  elem: ({ val, timeout }: { val: Expression; timeout: number }) =>
    `${expression(val)} timeout ${timeout}s`,
  rt: ({ key, family }: { key: string; family: string }) => `rt ${family} ${key}`,
};

function expression(value: Expression, number: (value: number) => string = String): string {
  if (typeof value === 'number') return number(value);
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'exists' : 'missing';
  return write(EXPRESSIONS, value);
}

interface Limit {
  limit: { rate: number; per: string; burst: number; inv?: true };
}

const limit = ({ limit: { rate, per, burst, inv } }: Limit) =>
  ` limit rate ${inv ? 'over ' : ''}${rate}/${per} burst ${burst} packets`;

const STATEMENTS: Writers<Statement> = {
  match: ({ op, left, right }: { op: string; left: Expression; right: Expression }) => {
    const masks = typeof left === 'object' && '&' in left;
    const wanted = expression(right, masks && right !== 0 ? hex : String);
    return `${expression(left)} ${op === '==' && !masks ? '' : `${op} `}${wanted}`;
  },
  counter: () => 'counter',
  set: (to: { op: string; elem: Expression; set: string; stmt?: Limit[] }) =>
    `${to.op} ${to.set} { ${expression(to.elem)}${(to.stmt ?? []).map(limit).join('')} }`,
  mangle: ({ key, value }: { key: Expression; value: Expression }) =>
    `${expression(key)} set ${expression(value)}`,
  dnat: ({ family, addr, port }: { family: string; addr: string; port: number }) =>
    `dnat ${family} to ${family === 'ip6' ? `[${addr}]` : addr}:${port}`,
  tproxy: ({ port }: { port: number }) => `tproxy to :${port}`,
  reject: ({ type }: { type: string }) => `reject with ${type}`,
  goto: ({ target }: { target: string }) => `goto ${target}`,
  jump: ({ target }: { target: string }) => `jump ${target}`,
  notrack: () => 'notrack',
  accept: () => 'accept',
  drop: () => 'drop',
  return: () => 'return',
};

function write(
  writers: Record<string, ((value: never) => string) | undefined>,
  node: object,
): string {
  const [kind, value] = Object.entries(node)[0]!;
  const writer = writers[kind];
  if (writer === undefined) throw new Error(`no text for ${kind}`);
  return writer(value as never);
}

const rule = ({ comment, expr }: Rule): string =>
  [
    ...expr.map((statement) => write(STATEMENTS, statement)),
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
  ].join(' ');

function chain({ name, hook, rules }: Chain): string {
  const base = hook && [
    `type ${hook.type} hook ${hook.hook} priority ${hook.prio}; policy accept;`,
  ];
  return block(`chain ${name}`, [...(base ?? []), ...rules.map(rule)]);
}

function set({ name, type, flags, size, timeout, elements }: NftSet): string {
  const quoted = (element: Expression) =>
    type === 'ifname' ? `"${element}"` : expression(element);
  return block(`set ${name}`, [
    `type ${[type].flat().join(' . ')}`,
    ...(flags === undefined ? [] : [`flags ${flags.join(', ')}`]),
    ...(size === undefined ? [] : [`size ${size}`]),
    ...(timeout === undefined ? [] : [`timeout ${timeout}s`]),
    ...(elements === undefined ? [] : [`elements = { ${elements.map(quoted).join(', ')} }`]),
  ]);
}

const block = (head: string, lines: readonly string[]) =>
  `${head} {\n${lines.map((line) => `\t${line.replaceAll('\n', '\n\t')}\n`).join('')}}`;

/** What `nft -f` reads; with `names` only those sets and chains. */
export function tableText(table: Table, names?: readonly string[]): string {
  const wanted = <T extends { name: string }>(objects: readonly T[]) =>
    objects.filter(({ name }) => names?.includes(name) ?? true);
  const objects = [...wanted(table.sets).map(set), ...wanted(table.chains).map(chain)];
  return `${block(`table ${table.family} ${table.name}`, objects)}\n`;
}
