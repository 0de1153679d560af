/** The relay's metrics pages: opened, or taken over from the relay that ran before. */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { registerClients } from '../../../monitoring/clients.js';
import { relayRegistry } from '../../../monitoring/collect.js';
import { registerHalfOpen, toOthers, toPort } from '../../../monitoring/half-open.js';
import { type Reloads, registerReloads } from '../../../monitoring/reload.js';
import {
  MonitoringError,
  type MonitoringServer,
  startMonitoring,
} from '../../../monitoring/server.js';
import type { Relay } from '../../../proxy/relay.js';
import type { Config } from '../../config/config.js';
import { SidetrackError } from '../../error.js';
import { say } from '../output.js';
import { version } from '../package.js';
import type { RelayView } from './relay-view.js';
import type { Inheritance } from './sockets.js';

/** The old relay has closed them already; another program may hold the port. */
const TAKE_OVER_MS = 5000;
const RETRY_MS = 50;

export interface Pages {
  /** Where they are, for people. */
  description: string;
  close(): Promise<void>;
}

/** @throws SidetrackError when the pages cannot be; the relay is stopped then. */
export async function startPages(
  config: Config,
  relay: Relay,
  { hasPredecessor }: Inheritance,
  reloads: Reloads,
  view: RelayView,
): Promise<Pages> {
  const deadline = Date.now() + (hasPredecessor ? TAKE_OVER_MS : 0);
  for (;;) {
    try {
      return pagesOf(await open(config, relay, reloads, view));
    } catch (error) {
      if (!(error instanceof MonitoringError)) throw error;
      const failure = pagesError(error);
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
  { relay: { metrics } }: Config,
  relay: Relay,
  reloads: Reloads,
  view: RelayView,
): Promise<MonitoringServer> {
  const registry = relayRegistry(() => relay.stats(), version(), relay);
  registerReloads(registry, reloads);
  registerClients(registry, () => relay.clients(), metrics.perClient);
  registerHalfOpen(registry, () => (relay.capture === 'tproxy' ? toOthers() : toPort(relay.port)));
  const { address, port = 0, hosts, connections } = metrics;
  const recent = connections ? { recent: () => relay.recent() } : {};
  return startMonitoring({ address, port, hosts, registry, state: view.state, ...recent });
}

const pagesOf = ({ url, close }: MonitoringServer): Pages => ({
  description: `${url}/metrics`,
  close,
});

/** Connections depend on us alone by now; pages are not worth ending them. */
function withoutPages({ message, hint }: SidetrackError): Pages {
  say(`going on without metrics: ${message}; ${hint}`);
  return { description: 'no metrics', close: async () => {} };
}

/**
 * Whether the pages can be opened once the old relay has let go of them: a wrong address is told
 * before it is too late.
 */
export async function checkPagesAddress({ relay: { metrics } }: Config): Promise<void> {
  const probe = createServer();
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    probe.once('error', resolve);
    probe.listen(metrics.port, metrics.address, () => probe.close(() => resolve(undefined)));
  });
  if (failure === undefined || failure.code === 'EADDRINUSE') return;
  throw new SidetrackError(
    `the metrics port ${metrics.address}:${metrics.port} cannot be used (${failure.code})`,
    {
      code: 'metrics-port',
      source: 'host',
      hint: 'choose another in relay.metrics: { address: …, port: … }',
      cause: failure,
    },
  );
}

function pagesError(cause: MonitoringError): SidetrackError {
  const { message, hint } = cause;
  return new SidetrackError(message, { code: 'metrics-port', source: 'host', hint, cause });
}
