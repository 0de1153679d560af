import type { Query } from '../command/query.js';
import { farLoader, type LoaderNeed, loaderQuery } from './far-loader.js';
import { ask, type Host, type Transport } from './host.js';
import { pathsQuery } from './paths.js';
import { netnsTransport, ownTransport } from './process-transport.js';
import { sshTransport } from './ssh-transport.js';

/** Where a host is; the configuration's `HostAddress` has this shape. */
export type HostLocation =
  | { kind: 'local' }
  | { kind: 'netns'; name: string }
  | { kind: 'ssh'; user: string; host: string; port?: number | undefined };

export interface ConnectOptions {
  /** Asks a far machine for what attaches eBPF there. */
  loader?: LoaderNeed | undefined;
  /** Milliseconds. */
  timeoutMs?: number;
  /** Bytes of the answers. */
  longest?: number;
}

/**
 * Goes there, and asks where things are; and, if told so, for what attaches eBPF on a far machine.
 * @throws SidetrackError when there is no way, or none for us
 */
export async function connect(location: HostLocation, options: ConnectOptions = {}): Promise<Host> {
  return arrive(transportTo(location), options);
}

/** The same by a way that may have been tried before. */
export async function arrive(
  transport: Transport,
  { loader, ...limits }: ConnectOptions = {},
): Promise<Host> {
  const isAsked = loader !== undefined && transport.remote;
  const queries = { paths: pathsQuery, loader: isAsked ? loaderQuery(loader) : nothing };
  const found = await ask(transport, queries, limits);
  const far = found.loader && (await farLoader(transport, found.loader));
  return {
    ...transport,
    ...found.paths,
    ...(far && { loader: far }),
    ...(far?.kind === 'bundle' && { sidetrack: far.command }),
    get roundTrips() {
      return transport.roundTrips;
    },
  };
}

const nothing: Query<undefined> = { commands: [], parse: () => undefined };

/** As the configuration writes it. */
export function addressOf(location: HostLocation): string {
  switch (location.kind) {
    case 'local':
      return 'local';
    case 'netns':
      return `netns://${location.name}`;
    case 'ssh':
      return `ssh://${location.user}@${hostAndPort(location)}`;
  }
}

/** An IPv6 address in brackets, as in every URL. */
function hostAndPort({ host, port }: { host: string; port?: number | undefined }): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? name : `${name}:${port}`;
}

/** The one place that maps an address to its transport. */
export function transportTo(location: HostLocation): Transport {
  switch (location.kind) {
    case 'local':
      return ownTransport(addressOf(location));
    case 'netns':
      return netnsTransport(addressOf(location), location.name);
    case 'ssh':
      return sshTransport(addressOf(location), location);
  }
}
