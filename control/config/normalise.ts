/** From the checked file to `Config`: names in camel case, one value or many always a list. */
import { dirname, isAbsolute, join } from 'node:path';
import type { PortRange } from '../../bpf/policy.js';
import { formatAddress, parseAddress } from './address.js';
import { capturing } from './carried.js';
import type {
  AddressList,
  CheckConfig,
  Config,
  ConfirmConfig,
  RelayConfig,
  RouteConfig,
  RouterConfig,
  RuleConfig,
  ServerConfig,
  SetConfig,
} from './config.js';
import { forwardingOf, writtenPath } from './deprecated.js';
import { type Destination, parseDestination } from './destination.js';
import { type HostAddress, parseHostAddress } from './host-address.js';
import { parseMac } from './mac.js';
import { type Nat64Prefix, parseNat64 } from './nat64-prefix.js';
import type { PagesConfig, PagesFile } from './pages.js';
import { PROBE_KEYS, type ProbeTarget, parseProbeUrl } from './probe.js';
import { asMap } from './raw.js';
import { scalarsOf } from './relay-scalars.js';
import { parsePorts } from './scalar.js';
import { type CheckedFile, probeSchema, relaySchema } from './schema.js';
import type { Source } from './source.js';
import { readToken } from './token.js';
import { parseUpstreamUrl, type UpstreamTarget } from './upstream-url.js';

type CheckedRule = NonNullable<CheckedFile['rules']>[number];

function toList<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value];
}

/** The value less its problem, which the schema has ruled out. */
function certain<T extends object>(parsed: T | { message: string }): T {
  if ('message' in parsed) throw new Error(`unchecked value: ${parsed.message}`);
  return parsed;
}

/** A path of the file as this process can open it: relative ones count from the file's folder. */
export function besideFile(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

function host(text: string): HostAddress {
  return certain<HostAddress>(parseHostAddress(text));
}

/** A client with 1024 connections is an ordinary one, however small the table. */
const usualShare = (flowTableSize: number) => Math.max(1024, Math.floor(flowTableSize / 4));

function router(file: CheckedFile['router']): RouterConfig {
  return {
    host: host(file.host),
    interfaces: file.interfaces,
    macs: toList(file.mac).map(autoOrMac),
    classifier: file.classifier,
    forwarding: forwardingOf(file),
    mark: file.mark,
    table: file.table,
    rulePriority: file.rule_priority,
    nat64: file.nat64.map((prefix) => certain<Nat64Prefix>(parseNat64(prefix))),
    flowTableSize: file.flow_table_size,
    takesOver: file.takes_over,
    maxFlowsPerClient: file.max_flows_per_client ?? usualShare(file.flow_table_size),
  };
}

const autoOrMac = (text: string) => (text === 'auto' ? text : parseMac(text)!);

function server(file: CheckedFile['servers'][number], index: number): ServerConfig {
  const addresses = toList(file.address).map((text) => parseAddress(text)!);
  const v4 = addresses.find((address) => typeof address === 'number');
  const v6 = addresses.find((address) => typeof address === 'bigint');
  return {
    name: file.name ?? `server${index + 1}`,
    host: host(file.host),
    interface: file.interface,
    address: {
      ...(v4 !== undefined && { v4: formatAddress(v4) }),
      ...(v6 !== undefined && { v6: formatAddress(v6) }),
    },
    mac: autoOrMac(file.mac),
    capture: file.capture,
    tproxy: {
      mark: file.tproxy.mark,
      table: file.tproxy.table,
      rulePriority: file.tproxy.rule_priority,
    },
    program: file.program,
    port: file.port,
    weight: file.weight,
    backup: file.backup,
    route: file.route,
    health: file.health ?? (file.program === 'relay' ? 'heartbeat' : 'route'),
    ...(file.check !== undefined && { check: check(file.check) }),
    ...(file.mark !== undefined && { mark: file.mark }),
    ...(file.table !== undefined && { table: tableOf(file.table) }),
  };
}

type CheckedServer = CheckedFile['servers'][number];

function tableOf({ id, name }: NonNullable<CheckedServer['table']>) {
  return { ...(id !== undefined && { id }), ...(name !== undefined && { name }) };
}

function check(file: NonNullable<CheckedServer['check']>): CheckConfig {
  const { tcp, url, command } = file;
  return {
    ...(tcp !== undefined && { tcp: certain<Destination>(parseDestination(tcp)) }),
    ...(url !== undefined && { url: certain<ProbeTarget>(parseProbeUrl(url)) }),
    ...(command !== undefined && { command }),
    intervalSeconds: file.interval_seconds,
    timeoutSeconds: file.timeout_seconds,
  };
}

function route(file: CheckedFile['relay']['routes'][number], index: number): RouteConfig {
  return {
    name: file.name ?? `route-${index + 1}`,
    ...(file.to !== undefined && { to: destinations(file.to) }),
    ...(file.port !== undefined && { ports: portRanges(file.port) }),
    upstreams: toList(file.upstreams),
  };
}

/** What each key of a probe waits for, and how its values are read. */
const PROBES = {
  destination: { answer: 'none', parse: parseDestination },
  url: { answer: 'http', parse: parseProbeUrl },
  tls: { answer: 'tls', parse: parseDestination },
  banner: { answer: 'banner', parse: parseDestination },
} as const;

function probe(file: NonNullable<CheckedFile['relay']['probe']>) {
  const key = PROBE_KEYS.find((one) => file[one] !== undefined)!;
  const { answer, parse } = PROBES[key];
  return {
    answer,
    targets: toList(file[key]!).map((text) => certain<ProbeTarget>(parse(text))),
    ...scalarsOf(file, probeSchema),
  };
}

/** A stop is waited for; a relay that has handed over is in no way. */
const STOP_DRAIN_SECONDS = 30;

function relay(file: CheckedFile['relay'], yaml: string): RelayConfig {
  return {
    ...scalarsOf(file, relaySchema),
    upstreams: file.upstreams.map(
      ({ name, url, weight, addresses, families, optimistic, username, password_file }) => ({
        name,
        target: certain<UpstreamTarget>(parseUpstreamUrl(url)),
        weight,
        ...(addresses !== undefined && {
          addresses: addresses.map((address) => formatAddress(parseAddress(address)!)),
        }),
        ...(optimistic && { optimistic }),
        ...(families !== undefined && { families: toList(families) }),
        ...(username !== undefined && { username }),
        ...(password_file !== undefined && { passwordFile: besideFile(yaml, password_file) }),
      }),
    ),
    routes: file.routes.map(route),
    deny: destinations(file.deny),
    allow: destinations(file.allow),
    ...(file.other_servers !== undefined && { otherServers: file.other_servers }),
    ...(file.probe !== undefined && { probe: probe(file.probe) }),
    metrics: {
      ...pages(file.metrics, yaml),
      connections: file.metrics.connections,
      perClient: file.metrics.per_client,
    },
    congestionControl: file.congestion_control,
    ...(file.access_log !== undefined && { accessLog: accessLog(file.access_log, yaml) }),
    drainSeconds: file.drain_seconds ?? STOP_DRAIN_SECONDS,
    handOverSeconds: file.drain_seconds ?? 'unlimited',
  };
}

/** @param yaml the configuration, beside which its files are. */
export function pages(file: PagesFile, yaml: string): PagesConfig {
  const { address, port, socket, hosts, auth, tls } = file;
  return {
    address,
    ...(port !== 'none' && { port }),
    ...(socket !== undefined && { socket }),
    hosts: toList(hosts).map((one) => one.toLowerCase()),
    ...(auth !== undefined && {
      auth: {
        ...(auth.bearer_token_file !== undefined && {
          bearerTokenFile: besideFile(yaml, auth.bearer_token_file),
        }),
        ...(auth.username !== undefined && { username: auth.username }),
        ...(auth.password_file !== undefined && {
          passwordFile: besideFile(yaml, auth.password_file),
        }),
      },
    }),
    ...(tls !== undefined && {
      tls: {
        certificateFile: besideFile(yaml, tls.certificate_file),
        keyFile: besideFile(yaml, tls.key_file),
      },
    }),
  };
}

function accessLog(log: NonNullable<CheckedFile['relay']['access_log']>, yaml: string) {
  return { file: log.file === '-' ? '-' : besideFile(yaml, log.file) };
}

function confirm(file: CheckedFile['confirm']): ConfirmConfig {
  const destinationsOf = (texts: string[]) =>
    texts.map((one) => certain<Destination>(parseDestination(one)));
  return {
    timeoutSeconds: file.timeout_seconds,
    probeSeconds: file.probe_seconds,
    gateway: file.gateway,
    dns: file.dns,
    internet: destinationsOf(file.internet),
    canary: destinationsOf(file.canary),
  };
}

function addressList(words: string | string[]): AddressList & { macs: string[] } {
  const list: AddressList & { macs: string[] } = { entries: [], sets: [], macs: [] };
  for (const token of toList(words).map(readToken)) {
    if (token.kind === 'entry') list.entries.push(token.entry);
    else if (token.kind === 'set') list.sets.push(token.name);
    else if (token.kind === 'mac') list.macs.push(token.mac);
  }
  return list;
}

function destinations(words: string | string[]): AddressList {
  const { entries, sets } = addressList(words);
  return { entries, sets };
}

function portRanges(ports: number | string | (number | string)[]): PortRange[] {
  return toList(ports).map((port) => certain<PortRange>(parsePorts(port)));
}

function rule(file: CheckedRule, index: number, source: Source): RuleConfig {
  // Only TCP can be handed over, so `action: proxy` says `proto: tcp` without words.
  const { action, servers } = actionOf(file.action);
  const proto = action === 'proxy' ? 'tcp' : file.proto;
  return {
    name: file.name ?? `rule-${index + 1}`,
    ...(proto !== undefined && { proto }),
    ...(file.from !== undefined && { from: addressList(file.from) }),
    ...(file.mac !== undefined && { macs: toList(file.mac).map((mac) => parseMac(mac)!) }),
    ...(file.to !== undefined && { to: destinations(file.to) }),
    ...(file.port !== undefined && { ports: portRanges(file.port) }),
    action,
    ...(servers !== undefined && { servers }),
    position: source.positionOf(['rules', index]),
  };
}

function actionOf(file: CheckedRule['action']): Pick<RuleConfig, 'action' | 'servers'> {
  if (typeof file === 'string') return { action: file };
  return { action: 'proxy', servers: [...new Set(toList(file.proxy))] };
}

/** What a file without rules means: the LAN and its kin directly, all other TCP by the server. */
const RULES_OF_A_MINIMAL_FILE: readonly CheckedRule[] = [
  { name: 'private', to: ['private'], action: 'direct' },
  { name: 'rest', proto: 'tcp', action: 'proxy' },
];

/** Everything but the warnings, which look at the result. */
export function normalise(
  file: CheckedFile,
  sets: Readonly<Record<string, SetConfig>>,
  source: Source,
): Config {
  const settings = relay(file.relay, source.file);
  const root = source.values();
  return {
    file: source.file,
    text: source.text,
    router: router(file.router),
    servers: file.servers.map((each, i) => capturing(server(each, i), settings)),
    health: {
      rise: file.health.rise,
      resetAfterSeconds: file.health.reset_after_seconds,
      port: file.health.port,
    },
    balance: file.balance,
    relay: settings,
    exporter: {
      ...pages(file.exporter, source.file),
      timeoutSeconds: file.exporter.timeout_seconds,
      compareSeconds: file.exporter.compare_seconds,
    },
    sets,
    rules: (file.rules ?? RULES_OF_A_MINIMAL_FILE).map((each, i) => rule(each, i, source)),
    default: file.default,
    onFailure: file.on_failure,
    confirm: confirm(file.confirm),
    warnings: [],
    written: asMap(root),
    positionOf: (path) => source.positionOf(writtenPath(root, path)),
  };
}
