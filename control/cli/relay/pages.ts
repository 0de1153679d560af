/** The relay's metrics pages: opened, or taken over from the relay that ran before. */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { asciiState } from '../../../monitoring/ascii.js';
import { registerClients } from '../../../monitoring/clients.js';
import { relayRegistry } from '../../../monitoring/collect.js';
import type { AddressRange } from '../../../monitoring/connection-query.js';
import { Connections } from '../../../monitoring/connections.js';
import { registerHalfOpen } from '../../../monitoring/half-open.js';
import { type Reloads, registerReloads } from '../../../monitoring/reload.js';
import {
  type MonitoringAccess,
  MonitoringError,
  type MonitoringServer,
  portFailure,
  startMonitoring,
} from '../../../monitoring/server.js';
import type { Relay } from '../../../proxy/relay.js';
import type { Config } from '../../config/config.js';
import { parseEntry } from '../../config/entry.js';
import type { SidetrackError } from '../../error.js';
import { say } from '../output.js';
import { version } from '../package.js';
import type { PageAccess } from './page-access.js';
import { pagesError } from './pages-error.js';
import type { RelayView } from './relay-view.js';
import type { Inheritance } from './sockets.js';

/** The old relay has closed them already; another program may hold the port. */
const TAKE_OVER_MS = 5000;
const RETRY_MS = 50;

export const PAGES_SECTION = ['relay', 'metrics'] as const;

export interface Pages {
  /** Where they are, for people. */
  description: string;
  /** What a reload changes of who may ask for what. */
  update(config: Config, access: PageAccess): void;
  close(): Promise<void>;
}

/** @throws SidetrackError when the pages cannot be; the relay is stopped then. */
export async function startPages(
  { config, access }: { config: Config; access: PageAccess },
  relay: Relay,
  { hasPredecessor }: Inheritance,
  reloads: Reloads,
  view: RelayView,
): Promise<Pages> {
  const deadline = Date.now() + (hasPredecessor ? TAKE_OVER_MS : 0);
  for (;;) {
    try {
      return pagesOf(await open(config, access, relay, reloads, view));
    } catch (error) {
      if (!(error instanceof MonitoringError)) throw error;
      const failure = pagesError(error, config, PAGES_SECTION, config.relay.metrics.port);
      if (Date.now() < deadline) {
        await delay(RETRY_MS);
        continue;
      }
      if (hasPredecessor) return withoutPages(failure);
      relay.stop();
      throw failure;
    }
  }
}

function open(
  config: Config,
  access: PageAccess,
  relay: Relay,
  reloads: Reloads,
  view: RelayView,
): Promise<MonitoringServer> {
  const { metrics } = config.relay;
  const registry = relayRegistry(() => relay.stats(), version(), relay, view.congestion);
  registerReloads(registry, reloads);
  registerClients(registry, () => relay.clients(), metrics.perClient);
  registerHalfOpen(registry, view.halfOpen);
  const { address, port, socket } = metrics;
  return startMonitoring({
    address,
    ...(port !== undefined && { port }),
    ...(socket !== undefined && { socket }),
    ...accessOf(config, access),
    registry,
    section: PAGES_SECTION.join('.'),
    state: view.state,
    history: () => view.sampler.history.read(),
    ready: view.ready,
    why: view.why,
    table: (state) => asciiState(state, view.sampler.history.last()),
    connections: new Connections(relay, readRange),
  });
}

const accessOf = ({ relay: { metrics } }: Config, { auth, tls }: PageAccess): MonitoringAccess => ({
  hosts: metrics.hosts,
  showsConnections: metrics.connections,
  ...(auth !== undefined && { auth }),
  ...(tls !== undefined && { tls }),
});

function readRange(text: string): AddressRange | { message: string } {
  return parseEntry(text);
}

const pagesOf = ({ url, close, update }: MonitoringServer): Pages => ({
  description: url.startsWith('/') ? url : `${url}/metrics`,
  update: (config, access) => update(accessOf(config, access)),
  close,
});

/** Connections depend on us alone by now; pages are not worth ending them. */
function withoutPages({ message, hint }: SidetrackError): Pages {
  say(`going on without metrics: ${message}; ${hint}`);
  return { description: 'no metrics', update: () => {}, close: async () => {} };
}

/**
 * Whether the pages can be opened once the old relay has let go of them: a wrong address is told
 * before it is too late.
 */
export async function checkPagesAddress(config: Config): Promise<void> {
  const { address, port } = config.relay.metrics;
  if (port === undefined) return;
  const probe = createServer();
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    probe.once('error', resolve);
    probe.listen(port, address, () => probe.close(() => resolve(undefined)));
  });
  if (failure === undefined || failure.code === 'EADDRINUSE') return;
  const { code = 'unknown' } = failure;
  const message = portFailure(address, port, code);
  const hint = 'choose another in relay.metrics: { address: …, port: … }';
  throw pagesError(
    new MonitoringError(message, code, hint),
    config,
    PAGES_SECTION,
    config.relay.metrics.port,
  );
}
