/** Whether a server can have the relay as a package and a unit, and what is missing there otherwise. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import type { Finding } from './finding.js';
import { isForeign, NODE_FROM } from './relay-service.js';
import { RELAY_CONFIG, RELAY_UNIT } from './relay-unit.js';
import type { ObservedHost, ObservedRelay, RelayPackage } from './state.js';

export interface RelayServer {
  config: Config;
  server: ServerConfig;
  index: number;
  host: ObservedHost;
}

export interface RelayOffer {
  /** What is to be installed; absent where that was not asked for. */
  package?: RelayPackage;
  /** Of the program that asks. */
  version?: string;
}

/** Where installing was asked for: everything that would make it fail. */
export function uninstallable(about: RelayServer, offered: RelayPackage | undefined): Finding[] {
  const { server, index, host } = about;
  if (offered === undefined) return [];
  const at = (key: string, message: string, hint: string) => [
    { path: ['servers', index, key], message: `${server.name} ${message}`, hint },
  ];
  const { relay: found } = host;
  if (server.program === 'external')
    return at(
      'program',
      'runs a program of its own, so there is no relay to install',
      'leave --install out, or write program: relay',
    );
  if (found === undefined)
    return at(
      'host',
      'is a network namespace, which shares its programs with its machine',
      'leave --install out, and start `sidetrack relay` there',
    );
  if (found.architecture === undefined)
    return at(
      'host',
      'has no dpkg, which installs the package',
      'install the npm tarball there, and start `sidetrack relay` by its own means',
    );
  if (!found.hasSystemd)
    return at(
      'host',
      'runs no systemd, which starts the relay',
      'install the package there by hand, and start `sidetrack relay` by its own means',
    );
  if (offered.architecture !== found.architecture)
    return at(
      'host',
      `is ${found.architecture}, and the package is for ${offered.architecture}`,
      `build one there (make package), and name it: --install sidetrack_${offered.version}_${found.architecture}.deb`,
    );
  if (nodeVersion(found) < NODE_FROM)
    return at(
      'host',
      `has ${found.node === undefined ? 'no nodejs' : `nodejs ${found.node}`}, and the relay needs ${NODE_FROM} or newer`,
      'type there: apt-get install nodejs; on Debian 12 after adding https://deb.nodesource.com/node_22.x (docs/install.md)',
    );
  return [...foreignConfig(about, found), ...foreignUnit(about, found)];
}

/** Major number; 0 where there is none. An epoch goes before it. */
const nodeVersion = ({ node = '' }: ObservedRelay) =>
  Number(/^(?:\d+:)?(\d+)/.exec(node)?.[1] ?? 0);

function foreignConfig({ config, server, index }: RelayServer, found: ObservedRelay): Finding[] {
  if (!isForeign(config, server, found)) return [];
  return [
    {
      path: ['servers', index, 'host'],
      message: `${server.name} has a ${RELAY_CONFIG} that apply did not write`,
      hint: 'move it away there, or leave --install out',
    },
  ];
}

/** One of /etc goes before that of the package. */
function foreignUnit({ server, index }: RelayServer, { unitFile }: ObservedRelay): Finding[] {
  if (unitFile === undefined || /^(\/usr)?\/lib\//.test(unitFile)) return [];
  return [
    {
      path: ['servers', index, 'host'],
      message: `${server.name} has a ${RELAY_UNIT} of its own, which goes before that of the package`,
      hint: `remove it there: rm ${unitFile}`,
    },
  ];
}

/** @returns what to type, in place of "start it there"; undefined where nothing is missing. */
export function missingRelay({ server, host: { relay: found } }: RelayServer): string | undefined {
  if (server.program !== 'relay' || server.host.kind !== 'ssh' || !found?.hasSystemd)
    return undefined;
  return found.installed === undefined
    ? `the relay is not installed on ${server.name}: run sidetrack apply --install`
    : undefined;
}

/** The program there is of another version than this one. */
export function otherVersion(
  { server, index, host: { relay: found } }: RelayServer,
  { version, package: offered }: RelayOffer,
): Finding[] {
  const there = found?.installed?.version;
  if (offered !== undefined || version === undefined || there === undefined || there === version)
    return [];
  if (server.program !== 'relay' || server.host.kind !== 'ssh') return [];
  const asked =
    server.health === 'heartbeat' ? '; a version without heartbeats is given no flows' : '';
  return [
    {
      path: ['servers', index, 'host'],
      message: `${server.name} has sidetrack ${there}, and this is ${version}${asked}`,
      hint: 'run sidetrack apply --install; a running relay hands over',
    },
  ];
}
