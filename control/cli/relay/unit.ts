/** The systemd unit of the relay, for this installation and this configuration. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config, ServerConfig } from '../../config/config.js';
import type { RelaySecret } from '../../plan/relay-secrets.js';
import {
  PLAIN_UNIT,
  RELAY_CONFIG,
  specifier,
  type UnitSettings,
  unitSettings,
} from '../../plan/relay-unit.js';
import { packageFile } from '../package.js';

const TEMPLATE = 'packaging/systemd/sidetrack-relay.service';
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
  const pathOf = ({ file }: RelaySecret) => resolve(file);
  return filled(unitSettings(config, server, pathOf), invocation, {
    documentation: `file:${packageFile('docs/relay.md')}`,
  });
}

/** Of the package: for any configuration at its usual place; what that needs besides is in a drop-in. */
export function packagedUnit(): string {
  const invocation = {
    node: '/usr/bin/node',
    program: '/usr/lib/sidetrack/build/control/cli/main.js',
    config: RELAY_CONFIG,
  };
  return filled(PLAIN_UNIT, invocation, { documentation: 'man:sidetrack(1)' });
}

function filled(
  { stopSeconds, credentials, capabilities }: UnitSettings,
  { node, program, config, server }: Invocation,
  { documentation }: { documentation: string },
): string {
  const argv = [
    node,
    program,
    'relay',
    '--config',
    config,
    ...(server ? ['--server', server] : []),
  ];
  const values: Readonly<Record<string, string>> = {
    DOCUMENTATION: documentation,
    COMMAND: argv.map(quote).join(' '),
    STOP_SECONDS: stopSeconds,
    CREDENTIALS: credentials.map((one) => `LoadCredential=${one}`).join('\n'),
    CAPABILITIES: capabilities.join(' '),
    PROTECT_HOME: protectHome([node, program, config]),
  };
  return fillTemplate(TEMPLATE, values);
}

/** @param values of the words in capitals between at signs; lines that stay empty go. */
export function fillTemplate(name: string, values: Readonly<Record<string, string>>): string {
  const template = readFileSync(packageFile(name), 'utf8');
  return template.replace(/@([A-Z_]+)@/g, (_, key: string) => values[key]!).replace(/^\n+/gm, '\n');
}

/** Whether something of it lies in a home. */
export const protectHome = (paths: readonly string[]): string =>
  paths.some((path) => HOMES.test(path)) ? 'read-only' : 'yes';

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

/** One word of a command line, systemd.service(5). */
export function quote(word: string): string {
  const safe = specifier(word).replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(safe) ? safe : `"${safe.replace(/["\\]/g, '\\$&')}"`;
}
