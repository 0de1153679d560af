/** What a reload of the relay's configuration changes, in words; and what only a restart can. */
import { createHmac, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ExporterPlace } from '../../../monitoring/exporter-request.js';
import { camelCase } from '../../../proxy/camel-case.js';
import { FIXED_OPTIONS, type RelayOptions } from '../../../proxy/options.js';
import type { Upstream } from '../../../proxy/upstreams.js';
import type { Config, ServerConfig } from '../../config/config.js';
import { RELAY_SCALARS } from '../../config/relay-scalars.js';
import type { CongestionChoice } from '../../plan/congestion.js';
import { addressResolver } from '../../policy/compile.js';
import type { PageAccess } from './page-access.js';

/** A configuration as the relay uses it. */
export interface RelaySetup {
  config: Config;
  server: ServerConfig;
  options: RelayOptions;
  congestion: CongestionChoice;
  /** Of the pages: secrets until they are opened or brought up to date. */
  access: PageAccess;
  /** Where the exporter is asked for what the router knows. */
  exporter: ExporterPlace;
}

/** A setup to compare with later, without its passwords. */
export interface SetupPicture {
  config: Config;
  /** What only a restart changes, by its key in the file. */
  fixed: Readonly<Record<string, unknown>>;
  upstreams: ReadonlyMap<string, PicturedUpstream>;
  routes: ReadonlyMap<string, unknown>;
  destinations: unknown;
  guard: unknown;
  /** Who may ask for which pages. */
  pages: unknown;
}

const KEY = randomBytes(32);

/** What is left of an upstream: instead of its password what tells one from another. */
type PicturedUpstream = ReturnType<typeof withoutSecret>;

/** Tells whether a password has changed, and nothing else about it. */
function withoutSecret({ password, ...upstream }: Upstream) {
  return { ...upstream, password: password && createHmac('sha256', KEY).update(password).digest() };
}

export const addressesIn = ({ upstreams }: SetupPicture, name: string): string[] => {
  const { address, moreAddresses = [] } = upstreams.get(name) ?? {};
  return address === undefined ? [] : [address, ...moreAddresses];
};

/** The picture after the name of one upstream has got other addresses. */
export function readdressed(
  picture: SetupPicture,
  name: string,
  [address, ...others]: readonly string[],
): SetupPicture {
  const { address: _, moreAddresses: __, ...rest } = picture.upstreams.get(name)!;
  const upstream = {
    ...rest,
    ...(address !== undefined && { address }),
    ...(others.length > 0 && { moreAddresses: others }),
  };
  return { ...picture, upstreams: new Map(picture.upstreams).set(name, upstream) };
}

/** Tells whether a token, a password or a certificate has changed, and nothing else about them. */
function accessPicture({ metrics }: Config['relay'], { auth, tls }: PageAccess) {
  const hmac = createHmac('sha256', KEY);
  for (const secret of [auth?.token, auth?.user?.password, tls?.certificate, tls?.key]) {
    const bytes = secret ?? Buffer.alloc(0);
    hmac.update(`${bytes.length} `).update(bytes);
  }
  const { hosts, connections, auth: files } = metrics;
  return { hosts, connections, files, secrets: hmac.digest('hex') };
}

/** What of the pages is settled when they are opened. */
const pagesPlace = ({ metrics }: Config['relay']) => {
  const { address, port, socket, perClient, tls } = metrics;
  return { address, port, socket, perClient, isTls: tls !== undefined };
};

export function pictureOf({
  config,
  server,
  options,
  access,
}: Omit<RelaySetup, 'congestion'>): SetupPicture {
  const { upstreams = [], routing } = options;
  return {
    config,
    fixed: {
      port: server.port,
      capture: server.capture,
      ...Object.fromEntries(FIXED.map((key) => [`relay.${key}`, settingOf(config, key)])),
      'relay.access_log': config.relay.accessLog,
      'relay.metrics': pagesPlace(config.relay),
    },
    upstreams: new Map(upstreams.map((upstream) => [upstream.name, withoutSecret(upstream)])),
    routes: new Map(routing?.routes.map((route) => [route.name, route])),
    destinations: routing?.destinations,
    pages: accessPicture(config.relay, access),
    guard: [config.relay.allow, config.relay.deny].map(addressResolver(config)),
  };
}

/** `+new`, `-gone`, `~changed`; `order` when that is all. */
function namesThatDiffer(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
) {
  const added = [...after.keys()].filter((name) => !before.has(name));
  const gone = [...before.keys()].filter((name) => !after.has(name));
  const changed = [...after.keys()].filter(
    (name) => before.has(name) && !isDeepStrictEqual(before.get(name), after.get(name)),
  );
  const words = [
    ...added.map((name) => `+${name}`),
    ...gone.map((name) => `-${name}`),
    ...changed.map((name) => `~${name}`),
  ];
  const reordered = words.length === 0 && !isDeepStrictEqual([...before.keys()], [...after.keys()]);
  return reordered ? ['order'] : words;
}

/** Keys of the relay's section that are settled when it starts. */
const FIXED = RELAY_SCALARS.filter((key) => isFixed(camelCase(key)));
/** Those that need no more than to be passed on. */
const LIMITS = [...RELAY_SCALARS.filter((key) => !FIXED.includes(key)), 'drain_seconds'];

function isFixed(option: string): boolean {
  return (FIXED_OPTIONS as readonly string[]).includes(option);
}

function settingOf({ relay }: Config, key: string): unknown {
  const settings: Readonly<Record<string, unknown>> = { ...relay };
  return settings[camelCase(key)];
}

function congestionChanges(before: Config, after: Config): string[] {
  const [old, now] = [before.relay.congestionControl, after.relay.congestionControl];
  return (['client', 'upstream'] as const).flatMap((leg) =>
    old[leg] === now[leg] ? [] : [`congestion_control.${leg} ${old[leg]} → ${now[leg]}`],
  );
}

export function describeChanges(before: SetupPicture, after: SetupPicture): string {
  const upstreams = namesThatDiffer(before.upstreams, after.upstreams);
  const routes = namesThatDiffer(before.routes, after.routes);
  if (routes.length === 0 && !isDeepStrictEqual(before.destinations, after.destinations))
    routes.push('destinations');
  const limits = LIMITS.flatMap((key) => {
    const [old, now] = [settingOf(before.config, key), settingOf(after.config, key)];
    return old === now ? [] : [`${key} ${old ?? 'default'} → ${now ?? 'default'}`];
  });
  limits.push(...congestionChanges(before.config, after.config));
  if (!isDeepStrictEqual(before.guard, after.guard)) limits.push('allow, deny');
  if (!isDeepStrictEqual(before.pages, after.pages)) limits.push('who may ask for pages');
  if (!isDeepStrictEqual(before.config.relay.probe, after.config.relay.probe)) limits.push('probe');
  const parts = [
    ...(upstreams.length > 0 ? [`upstreams ${upstreams.join(' ')}`] : []),
    ...(routes.length > 0 ? [`routes ${routes.join(' ')}`] : []),
    ...limits,
  ];
  return parts.length > 0 ? parts.join(', ') : 'nothing has changed for the relay';
}

/** Keys whose new value only a restart can bring into force. */
export function needRestart(before: SetupPicture, after: SetupPicture): string[] {
  return Object.keys(after.fixed).filter(
    (key) => !isDeepStrictEqual(before.fixed[key], after.fixed[key]),
  );
}
