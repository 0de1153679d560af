/**
 * JSON of clouds (AWS, Google, Azure, and such as name lists of networks), source rule-sets of sing-box,
 * plain lists, and one object a line.
 */

import type { At, Gathering } from '../gathering.js';
import { asList, asMap, isMap, type RawMap } from '../raw.js';
import type { ListChoice } from './choice.js';
import { linesOf } from './lines.js';

/** What a prefix is called. */
const PREFIX_KEYS = [
  ...['ip_prefix', 'ipv6_prefix', 'ipv4Prefix', 'ipv6Prefix'],
  ...['cidr', 'network', 'prefix', 'subnet', 'ip'],
];

export function readJson(file: string, text: string, choice: ListChoice, found: Gathering): void {
  const start: At = () => ({ file, line: 1, column: 1 });
  if (hasTooManyValues(text)) {
    found.refuse('', TOO_MANY, start);
    return;
  }
  const whole = parsed(text.startsWith('\ufeff') ? text.slice(1) : text);
  const known = [ranges, azure, ruleSet, entries, namedLists, single];
  if (whole === undefined) readObjects(file, text, choice, found);
  else if (!known.some((read) => read(whole.value, choice, found, start)))
    found.refuse(
      '',
      { message: 'the JSON has no list of networks that is known', hint: KNOWN },
      start,
    );
}

const KNOWN = 'docs/lists.md says which kinds are';

/** Each takes some 50 bytes, whatever it is. */
const MOST_VALUES = 4_000_000;
const TOO_MANY = {
  message: `the JSON has more than ${MOST_VALUES} values`,
  hint: 'take the list as text, or a part of it',
};

/** Counted without looking for texts: more marks are no harm. */
function hasTooManyValues(text: string): boolean {
  let values = 0;
  for (let i = 0; i < text.length && values <= MOST_VALUES; i++) {
    const code = text.charCodeAt(i);
    if (code === COMMA || code === BRACKET || code === BRACE) values++;
  }
  return values > MOST_VALUES;
}

const COMMA = 44;
const BRACKET = 91;
const BRACE = 123;

/** As NDJSON has it. */
function readObjects(file: string, text: string, choice: ListChoice, found: Gathering): void {
  for (const { text: line, at } of linesOf(file, text)) {
    const object = parsed(line);
    if (object === undefined) {
      const message = 'the JSON is damaged or cut off';
      found.refuse(line, { message, hint: 'fetch it again' }, at);
      return;
    }
    const row = asMap(object.value);
    const prefix = prefixOf(row);
    if (prefix !== undefined && isChosen(row, choice)) found.take(prefix, at);
  }
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

type Reader = (value: unknown, choice: ListChoice, found: Gathering, at: At) => boolean;

/** `{ "prefixes": [{ "ip_prefix": …, "service": …, "region": … }], "ipv6_prefixes": […] }` */
const ranges: Reader = (value, choice, found, at) => {
  const { prefixes, ipv6_prefixes: v6 } = asMap(value);
  const rows = [...asList(prefixes), ...asList(v6)];
  if (!rows.some((row) => prefixOf(asMap(row)) !== undefined)) return false;
  for (const row of rows) takeObject(asMap(row), choice, found, at);
  return true;
};

/** `{ "values": [{ "name": …, "properties": { "region": …, "addressPrefixes": […] } }] }` */
const azure: Reader = (value, choice, found, at) => {
  const { values } = asMap(value);
  const tags = asList(values).filter((tag) => isMap(asMap(asMap(tag).properties)));
  if (!tags.some((tag) => Array.isArray(asMap(asMap(tag).properties).addressPrefixes)))
    return false;
  if (choice.services.length === 0) {
    needsService(
      tags.map((tag) => shown(asMap(tag).name)),
      found,
      at,
    );
    return true;
  }
  for (const tag of tags) {
    const { name } = asMap(tag);
    const { region, systemService, addressPrefixes } = asMap(asMap(tag).properties);
    const isMeant = [name, systemService].some((word) => isWord(word, choice.services));
    const isNear = choice.regions.length === 0 || isWord(region, choice.regions);
    if (isMeant && isNear) takeTexts(asList(addressPrefixes), found, at);
  }
  return true;
};

/** Conditions of one rule that hold besides its addresses: without them it would mean more. */
const NARROWS =
  /^(?:port|port_range|source_.*|network|query_type|process_.*|package_name|wifi_.*|user)$/;

/** `{ "version": 1, "rules": [{ "ip_cidr": […] }] }` of sing-box. */
const ruleSet: Reader = (value, _choice, found, at) => {
  const { rules, version } = asMap(value);
  if (!Array.isArray(rules) || version === undefined) return false;
  rules.forEach((rule: unknown, i) => {
    const { ip_cidr: networks, invert, type, ...rest } = asMap(rule);
    const where = `rules[${i}]`;
    if (type === 'logical' || invert === true) {
      const message = `${where} is ${invert === true ? 'an exception' : 'a logical rule'}`;
      found.refuse('', { message, hint: 'take a rule-set of networks alone' }, at);
      return;
    }
    const narrows = Object.keys(rest).find((key) => NARROWS.test(key));
    if (networks !== undefined && narrows !== undefined) {
      const message = `${where} holds for its networks only together with ${narrows}`;
      found.refuse('', { message, hint: 'take a rule-set of networks alone' }, at);
      return;
    }
    takeTexts(typeof networks === 'string' ? [networks] : asList(networks), found, at);
    if (Object.keys(rest).some((key) => key.startsWith('domain'))) {
      const message = `the names of ${where}: sidetrack judges addresses and sees no names`;
      found.leave('names', { message }, at);
    }
  });
  return true;
};

/** `["192.0.2.0/24", …]`, or objects with one prefix each. */
const entries: Reader = (value, choice, found, at) => {
  if (!Array.isArray(value)) return false;
  for (const one of value)
    if (typeof one === 'string') found.take(one, at);
    else takeObject(asMap(one), choice, found, at);
  return true;
};

/** `{ "web": ["192.0.2.0/24", …], "hooks": […] }`, perhaps below `result`. */
const namedLists: Reader = (value, choice, found, at) => {
  const { result } = asMap(value);
  const lists = Object.entries(asMap(isMap(result) ? result : value)).flatMap(([name, list]) =>
    asList(list).some((one) => typeof one === 'string' && /^[\da-f.:]+\/\d+$/i.test(one))
      ? [[name, asList(list)] as const]
      : [],
  );
  if (lists.length === 0) return false;
  const families = lists.every(([name]) => /ip|addr|cidr|prefix/i.test(name));
  if (choice.services.length === 0 && !families) {
    needsService(
      lists.map(([name]) => name),
      found,
      at,
    );
    return true;
  }
  for (const [name, list] of lists)
    if (choice.services.length === 0 || isWord(name, choice.services)) takeTexts(list, found, at);
  return true;
};

/** The only line of what has one object a line. */
const single: Reader = (value, choice, found, at) => {
  if (prefixOf(asMap(value)) === undefined) return false;
  takeObject(asMap(value), choice, found, at);
  return true;
};

function takeObject(row: RawMap, choice: ListChoice, found: Gathering, at: At): void {
  const prefix = prefixOf(row);
  if (prefix !== undefined && isChosen(row, choice)) found.take(prefix, at);
}

function takeTexts(list: readonly unknown[], found: Gathering, at: At): void {
  for (const one of list) found.take(shown(one), at);
}

/** What is no text is no address either; it may be nested too deeply to be written down. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? '[…]' : isMap(value) ? '{…}' : String(value);
}

function prefixOf(row: RawMap): string | undefined {
  for (const key of PREFIX_KEYS) {
    const prefix = row[key];
    if (typeof prefix === 'string') return prefix;
  }
  return undefined;
}

/** Google calls its regions scopes. */
function isChosen({ service, region, scope }: RawMap, { services, regions }: ListChoice): boolean {
  return (
    (services.length === 0 || isWord(service, services)) &&
    (regions.length === 0 || isWord(region, regions) || isWord(scope, regions))
  );
}

const isWord = (value: unknown, words: readonly string[]): boolean =>
  typeof value === 'string' && words.some((word) => word.toLowerCase() === value.toLowerCase());

const MOST_NAMED = 6;

function needsService(names: readonly string[], found: Gathering, at: At): void {
  const known = names.slice(0, MOST_NAMED).map((name) => name.slice(0, 40));
  found.refuse(
    '',
    {
      message: `the file has lists of ${names.length} services: ${known.join(', ')}${names.length > MOST_NAMED ? ', …' : ''}`,
      hint: `say which are meant, for example service: ${known[0]}`,
    },
    at,
  );
}
