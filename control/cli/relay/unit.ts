/** The systemd unit of the relay, for this installation and this configuration. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config, DrainSeconds, ServerConfig } from '../../config/config.js';
import { packageFile } from '../package.js';
import { credentialName } from './upstreams.js';

const TEMPLATE = 'packaging/systemd/sidetrack-relay.service';
const STOP_MARGIN_SECONDS = 15;
const FIRST_FREE_PORT = 1024;
const WORLD_READABLE = 0o004;
const WORLD_SEARCHABLE = 0o001;
const HOMES = /^\/(home|root|run\/user)\//;

/** How the relay is started: absolute paths. */
export interface Invocation {
  node: string;
  program: string;
  config: string;
  server?: string;
}

/** @returns the text of the unit file. */
export function relayUnit(config: Config, server: ServerConfig, invocation: Invocation): string {
  const { node, program, config: file, server: name } = invocation;
  const argv = [node, program, 'relay', '--config', file, ...(name ? ['--server', name] : [])];
  const values: Readonly<Record<string, string>> = {
    DOCUMENTATION: packageFile('docs/relay.md'),
    COMMAND: argv.map(quote).join(' '),
    STOP_SECONDS: stopSeconds(config.relay.drainSeconds),
    CREDENTIALS: credentials(config).join('\n'),
    CAPABILITIES: capabilities(server).join(' '),
    PROTECT_HOME: [node, program, file].some((path) => HOMES.test(path)) ? 'read-only' : 'yes',
  };
  const template = readFileSync(packageFile(TEMPLATE), 'utf8');
  return template.replace(/@([A-Z_]+)@/g, (_, key: string) => values[key]!).replace(/^\n+/gm, '\n');
}

const stopSeconds = (drain: DrainSeconds): string =>
  drain === 'unlimited' ? 'infinity' : String(drain + STOP_MARGIN_SECONDS);

function capabilities({ capture, port }: ServerConfig): string[] {
  return [
    ...(capture === 'tproxy' ? ['CAP_NET_RAW'] : []),
    ...(port < FIRST_FREE_PORT ? ['CAP_NET_BIND_SERVICE'] : []),
  ];
}

function credentials({ relay }: Config): string[] {
  return relay.upstreams.flatMap(({ name, passwordFile }) =>
    passwordFile === undefined
      ? []
      : [`LoadCredential=${credentialName(name)}:${specifier(resolve(passwordFile))}`],
  );
}

/** What the service's user, which has no rights of its own, cannot read: the first of `paths`. */
export function unreadableByOthers(paths: readonly string[]): string | undefined {
  return paths.find((path) => !isReadableByOthers(path));
}

function isReadableByOthers(path: string): boolean {
  const above = dirname(path);
  if (
    (statSync(path).mode & (statSync(path).isDirectory() ? WORLD_SEARCHABLE : WORLD_READABLE)) ===
    0
  )
    return false;
  return above === path || isReadableByOthers(above);
}

const specifier = (text: string) => text.replaceAll('%', '%%');

/** One word of a command line, systemd.service(5). */
function quote(word: string): string {
  const safe = specifier(word).replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(safe) ? safe : `"${safe.replace(/["\\]/g, '\\$&')}"`;
}
