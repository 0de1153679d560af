/** What `ip -j` prints, as far as it is read here: another shape is told in a line, not found out later. */
import { z } from 'zod';

const word = z.string();
const number = z.number();
const words = z.array(word);
/** Numbers come as text, as numbers or in hexadecimal, which depends on the version. */
const numeric = z.union([word, number]);
/** Only that it is there counts; the value is null. */
const flag = z.unknown();

/** `ip -d address show` */
const linkJson = z.object({
  ifname: word,
  address: word.exactOptional(),
  flags: words,
  link_type: word.exactOptional(),
  master: word.exactOptional(),
  link: word.exactOptional(),
  group: word.exactOptional(),
  linkinfo: z.object({ info_kind: word.exactOptional() }).exactOptional(),
  addr_info: z.array(
    z.object({
      family: word,
      local: word,
      prefixlen: number,
      /** Only there when true. */
      temporary: flag.exactOptional(),
      deprecated: flag.exactOptional(),
    }),
  ),
});

/** `ip -N -d rule show`; a key that has no name here is a selector that nobody knows, and is kept. */
const ruleJson = z.looseObject({
  priority: number,
  /** Present when the selectors are inverted. */
  not: flag.exactOptional(),
  src: word.exactOptional(),
  srclen: number.exactOptional(),
  dst: word.exactOptional(),
  dstlen: number.exactOptional(),
  iif: word.exactOptional(),
  iif_detached: flag.exactOptional(),
  oif: word.exactOptional(),
  oif_detached: flag.exactOptional(),
  fwmark: numeric.exactOptional(),
  fwmask: numeric.exactOptional(),
  tos: numeric.exactOptional(),
  uid_start: number.exactOptional(),
  uid_end: number.exactOptional(),
  ipproto: numeric.exactOptional(),
  sport: number.exactOptional(),
  sport_start: number.exactOptional(),
  sport_end: number.exactOptional(),
  dport: number.exactOptional(),
  dport_start: number.exactOptional(),
  dport_end: number.exactOptional(),
  tun_id: numeric.exactOptional(),
  l3mdev: flag.exactOptional(),
  table: numeric.exactOptional(),
  action: word.exactOptional(),
  goto: number.exactOptional(),
  nop: flag.exactOptional(),
  suppress_prefixlen: numeric.exactOptional(),
  suppress_ifgroup: word.exactOptional(),
  protocol: numeric.exactOptional(),
});

interface Hop {
  gateway?: string;
  /** A next hop of the other family. */
  via?: { host?: string };
  dev?: string;
  flags?: string[];
}

/** `ip -N route show` */
export interface RouteJson extends Hop {
  dst: string;
  type?: string;
  from?: string;
  tos?: string;
  table?: string;
  metric?: number;
  protocol?: string;
  prefsrc?: string;
  nexthops?: Hop[];
}

const ROUTE_WORDS = ['type', 'from', 'tos', 'table', 'protocol', 'prefsrc', 'gateway', 'dev'];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isRoute(value: unknown): boolean {
  if (!isObject(value) || typeof value.dst !== 'string') return false;
  const { metric = 0, via = {}, flags = [], nexthops = [] } = value;
  return (
    ROUTE_WORDS.every((key) => value[key] === undefined || typeof value[key] === 'string') &&
    typeof metric === 'number' &&
    isObject(via) &&
    Array.isArray(flags) &&
    Array.isArray(nexthops) &&
    nexthops.every(isObject)
  );
}

/** `ip neigh show` */
const neighbourJson = z.object({
  dst: word,
  dev: word.exactOptional(),
  lladdr: word.exactOptional(),
  state: words.exactOptional(),
});

export type LinkJson = z.output<typeof linkJson>;
export type RuleJson = z.output<typeof ruleJson>;

export const linkList = listOf(linkJson);
export const ruleList = listOf(ruleJson);
export const neighbourList = listOf(neighbourJson);
/** A router may have a million routes: one loop takes a fifth of the time that zod would. */
export const routeList = withoutHidden(
  z.custom<RouteJson[]>(
    (list) => Array.isArray(list) && list.every(isRoute),
    'must be a list of routes',
  ),
);

function listOf<T>(entry: z.ZodType<T>): z.ZodType<T[]> {
  return withoutHidden(z.array(entry));
}

/** Some versions print `{}` for what they hide. */
function withoutHidden<T>(list: z.ZodType<T[]>): z.ZodType<T[]> {
  return z.preprocess(
    (value) => (Array.isArray(value) ? value.filter((one) => !isHidden(one)) : value),
    list,
  );
}

const isHidden = (entry: unknown): boolean =>
  typeof entry === 'object' && entry !== null && Object.keys(entry).length === 0;
