/** Servers beside each other: what each must have to itself, and what rules call them. Reads the unchecked file. */
import { formatAddress, parseAddress } from './address.js';
import type { Problem } from './diagnostic.js';
import { hex } from './hex.js';
import { parseMac } from './mac.js';
import { asList, asMap, isMap, type Path, valueAt } from './raw.js';
import { markRoom } from './server-marks.js';
import { suggestion } from './suggest.js';

type Found = { path: Path; problem: Problem };

interface Written {
  name: string;
  index: number;
  /** As the file has it. */
  value: unknown;
}

const serversOf = (root: unknown): Written[] =>
  asList(valueAt(root, ['servers'])).map((value, index) => {
    const { name } = asMap(value);
    return { name: typeof name === 'string' ? name : `server${index + 1}`, index, value };
  });

const textOrNothing = (value: unknown) => (typeof value === 'string' ? value : undefined);
const numberOrNothing = (value: unknown) => (typeof value === 'number' ? value : undefined);

/** Values that stand with two servers. `same`: what of a value two must not have in common. */
function shared(
  servers: readonly Written[],
  key: Path,
  same: (value: unknown) => string | undefined,
  what: string,
  hint: string,
): Found[] {
  const first = new Map<string, string>();
  return servers.flatMap(({ name, index, value }) => {
    const path: Path = ['servers', index, ...key];
    const written = valueAt(value, key);
    const all = Array.isArray(written)
      ? written.map((one: unknown, i) => ({ path: [...path, i], one }))
      : [{ path, one: written }];
    return all.flatMap(({ path, one }) => {
      const text = same(one);
      if (text === undefined) return [];
      const owner = first.get(text);
      if (owner === undefined) first.set(text, name);
      // Twice with one server is told elsewhere.
      if (owner === undefined || owner === name) return [];
      return [{ path, problem: { message: `${text} is the ${what} of ${owner}, too`, hint } }];
    });
  });
}

function canonical(value: unknown): string | undefined {
  const address = parseAddress(textOrNothing(value) ?? '');
  return address === undefined ? undefined : formatAddress(address);
}

function twice(servers: readonly Written[]): Found[] {
  const textOf = (value: unknown) => numberOrNothing(value)?.toString();
  return [
    ...shared(servers, ['address'], canonical, 'address', 'each server has addresses of its own'),
    ...shared(
      servers,
      ['mac'],
      (value) => parseMac(textOrNothing(value) ?? ''),
      'MAC',
      'each server has a MAC of its own; write auto to have it learned',
    ),
    ...shared(servers, ['mark'], textOf, 'mark', 'leave both out to have them chosen'),
    ...shared(servers, ['table', 'id'], textOf, 'table', 'leave both out to have them chosen'),
    ...shared(servers, ['table', 'name'], textOrNothing, 'table', 'choose another name'),
  ];
}

/** What the schema fills in. */
const USUAL_MASK = 0xff;

function marks(root: unknown, servers: readonly Written[]): Found[] {
  const mask = numberOrNothing(valueAt(root, ['router', 'mark', 'mask']) ?? USUAL_MASK);
  // A mask that is wrong is told elsewhere.
  if (mask === undefined || !Number.isInteger(mask) || mask < 1 || mask > 0xffffffff) return [];
  const room = markRoom(mask);
  const outside = servers.flatMap(({ index, value }): Found[] => {
    const mark = numberOrNothing(asMap(value).mark);
    if (mark === undefined || !Number.isInteger(mark) || (BigInt(mark) & ~BigInt(mask)) === 0n)
      return [];
    const message = `mark ${mark} (${hex(mark)}) has bits outside router.mark.mask ${hex(mask)}`;
    const hint = 'widen the mask or choose a smaller mark';
    return [{ path: ['servers', index, 'mark'], problem: { message, hint } }];
  });
  if (servers.length <= room) return outside;
  const message = `the mask ${hex(mask)} has ${room === 1 ? 'one mark' : `${room} marks`} for ${servers.length} servers`;
  const problem = { message, hint: 'widen router.mark.mask: each server needs a mark of its own' };
  return [...outside, { path: ['router', 'mark', 'mask'], problem }];
}

function unknownServers(root: unknown, servers: readonly Written[]): Found[] {
  const known = servers.map(({ name }) => name);
  return asList(valueAt(root, ['rules'])).flatMap((_, i) => {
    const path: Path = ['rules', i, 'action', 'proxy'];
    const written = valueAt(root, path);
    const all = Array.isArray(written)
      ? written.map((name: unknown, j) => ({ path: [...path, j], name }))
      : [{ path, name: written }];
    return all.flatMap(({ path, name }) => {
      if (typeof name !== 'string' || known.includes(name)) return [];
      const hint = suggestion(name, known) ?? `servers has ${known.join(', ')}`;
      return [{ path, problem: { message: `unknown server "${name}"`, hint } }];
    });
  });
}

const CHECK_KEYS = ['tcp', 'url', 'command'];

function checks(servers: readonly Written[]): Found[] {
  return servers.flatMap(({ index, value }): Found[] => {
    const { check, program } = asMap(value);
    const path: Path = ['servers', index, 'check'];
    if (!isMap(check)) return [];
    if (program !== 'external') {
      const message =
        'a check is for program: external; the relay knows by itself what it is fit for';
      return [{ path, problem: { message, hint: 'remove it, or write program: external' } }];
    }
    const [first, second] = CHECK_KEYS.filter((key) => check[key] !== undefined);
    if (first === undefined) {
      const hint = 'write tcp: "1.1.1.1:443", or url or command';
      return [{ path, problem: { message: 'the check asks nothing', hint } }];
    }
    if (second === undefined) return [];
    const message = `"${first}" and "${second}" at once: a check asks one thing`;
    return [{ path: [...path, second], problem: { message, hint: 'remove one of them' } }];
  });
}

/** Only backups would mean that they are none. */
function backups(servers: readonly Written[]): Found[] {
  const all = servers.length > 0 && servers.every(({ value }) => asMap(value).backup === true);
  if (!all) return [];
  const message = 'every server is a backup';
  const hint = 'leave backup out of at least one';
  return servers
    .slice(0, 1)
    .map(({ index }) => ({ path: ['servers', index, 'backup'], problem: { message, hint } }));
}

export function serverProblems(root: unknown): Found[] {
  const servers = serversOf(root);
  return [
    ...twice(servers),
    ...marks(root, servers),
    ...unknownServers(root, servers),
    ...checks(servers),
    ...backups(servers),
  ];
}
