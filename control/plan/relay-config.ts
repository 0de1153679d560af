/** The configuration that a relay on another machine reads: what of the whole it needs, with the sets as prefixes. */
import { dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { AddressList, Config, ServerConfig } from '../config/config.js';
import { EntryList } from '../config/entry-list.js';
import { asList, asMap, type RawMap } from '../config/raw.js';
import { PrefixSet } from '../policy/prefix-set.js';
import { credentialName, PAGES_CREDENTIALS, relaySecrets } from './relay-secrets.js';
import { RELAY_CONFIG } from './relay-unit.js';
import type { ObservedFile } from './state.js';

/** The first line; the package's postrm knows it, too. */
const MARK = '# Written by sidetrack apply';
const HEAD = `${MARK}, which writes it again: change the file that apply reads.\n`;

export const RELAY_CONFIG_MODE = 0o644;

export const ownRelayConfig = (file: ObservedFile | undefined): boolean =>
  file?.content.startsWith(MARK) ?? false;

/** By its name as a credential, where each secret is on the server. */
export function secretFiles(config: Config, server: ServerConfig): Record<string, string> {
  return Object.fromEntries(
    relaySecrets(config).map(({ credential, written, file }) => [
      credential,
      place(server, written, file),
    ]),
  );
}

/** A path of the file: on another machine relative ones count from where its configuration is. */
const place = ({ host }: ServerConfig, written: string, here: string): string =>
  host.kind === 'local' ? resolve(here) : resolve(dirname(RELAY_CONFIG), written);

export function relayConfigText(config: Config, server: ServerConfig): string {
  const { router, servers } = config.written;
  const index = config.servers.indexOf(server);
  const { interfaces, nat64 } = asMap(router);
  const parts = {
    router: { host: 'local', interfaces, ...(nat64 !== undefined && { nat64 }) },
    servers: [{ ...asMap(asList(servers)[index]), host: 'local', name: server.name }],
    relay: relayPart(config, server),
    ...(config.written.exporter !== undefined && { exporter: config.written.exporter }),
  };
  return HEAD + stringify(parts, { lineWidth: 0 });
}

function relayPart(config: Config, server: ServerConfig): RawMap {
  const { deny, allow, routes, accessLog } = config.relay;
  const written = asMap(config.written.relay);
  const secrets = secretFiles(config, server);
  const list = (addresses: AddressList) => withoutSets(config, addresses);
  const log = asMap(written.access_log);
  const others = otherServers(config, server);
  return {
    ...written,
    ...(others.length > 0 && { other_servers: others }),
    ...(written.deny !== undefined && { deny: list(deny) }),
    ...(written.allow !== undefined && { allow: list(allow) }),
    ...(typeof log.file === 'string' &&
      log.file !== '-' &&
      accessLog && { access_log: { ...log, file: place(server, log.file, accessLog.file) } }),
    ...(written.metrics !== undefined && {
      metrics: metricsPart(asMap(written.metrics), secrets),
    }),
    ...(written.routes !== undefined && {
      routes: asList(written.routes).map((one, i) => ({
        ...asMap(one),
        ...(routes[i]?.to && { to: list(routes[i].to) }),
      })),
    }),
    ...(written.upstreams !== undefined && {
      upstreams: asList(written.upstreams).map((one) => {
        const file = secrets[credentialName(String(asMap(one).name))];
        return { ...asMap(one), ...(file !== undefined && { password_file: file }) };
      }),
    }),
  };
}

/** Those that the server's own file does not have. */
function otherServers({ servers, relay }: Config, server: ServerConfig): string[] {
  const addresses = servers
    .filter((one) => one !== server)
    .flatMap(({ address, uncarried }) => [
      ...[address.v4, address.v6],
      ...[uncarried?.v4, uncarried?.v6],
    ]);
  return [...(relay.otherServers ?? []), ...addresses.filter((one) => one !== undefined)];
}

function metricsPart(written: RawMap, secrets: Readonly<Record<string, string>>): RawMap {
  const { bearerTokenFile, passwordFile, certificateFile, keyFile } = PAGES_CREDENTIALS;
  const [token, password] = [secrets[bearerTokenFile], secrets[passwordFile]];
  return {
    ...written,
    ...(written.auth !== undefined && {
      auth: {
        ...asMap(written.auth),
        ...(token !== undefined && { bearer_token_file: token }),
        ...(password !== undefined && { password_file: password }),
      },
    }),
    ...(written.tls !== undefined && {
      tls: { certificate_file: secrets[certificateFile], key_file: secrets[keyFile] },
    }),
  };
}

/** `private` is built in; the files of the others are not there. */
function withoutSets({ sets }: Config, { entries, sets: names }: AddressList): string[] {
  const own = names.filter((name) => sets[name] !== undefined);
  const all = EntryList.of(entries, ...own.map((name) => sets[name]!.entries));
  return [...names.filter((name) => sets[name] === undefined), ...PrefixSet.of(all).cidrs()];
}
