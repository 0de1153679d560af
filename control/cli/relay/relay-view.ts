/** What the pages and the control socket tell of a running relay, made in one place for both. */
import { clientStates } from '../../../monitoring/client-state.js';
import { DeviceNames } from '../../../monitoring/device-names.js';
import { ExporterClient } from '../../../monitoring/exporter-client.js';
import { halfOpenCounter, toOthers, toPort } from '../../../monitoring/half-open.js';
import { health } from '../../../monitoring/health.js';
import type { Congestion } from '../../../monitoring/process.js';
import { relayState } from '../../../monitoring/relay-state.js';
import { Sampler } from '../../../monitoring/sampler.js';
import { type ClientState, STATE_VERSION, type State } from '../../../monitoring/state.js';
import type { AskWhy } from '../../../monitoring/why-page.js';
import type { Relay } from '../../../proxy/relay.js';
import type { RelayStats } from '../../../proxy/stats.js';
import type { CongestionChoice } from '../../plan/congestion.js';
import type { Beats } from '../heartbeat/beats.js';
import { version } from '../package.js';
import type { RelaySetup } from './changes.js';
import type { Reloading } from './reload.js';
import { whyFrom } from './why.js';

export interface RelayView {
  readonly sampler: Sampler;
  state(): Promise<State>;
  /** @returns why a new connection would come to nothing, or undefined. */
  ready(): string | undefined;
  /** A resolver has yet to say what a client is called, or the exporter to answer; Node does not end before. */
  readonly isAsking: boolean;
  /** Handshakes of clients that stay half open, where they could be counted. */
  halfOpen(): Promise<number | undefined>;
  /** What new connections have. */
  congestion(): Congestion;
  /** Of the exporter, where this relay's file has no rules. */
  readonly why: AskWhy;
  end(): void;
}

/**
 * @param setup what is in force: congestion control, and where the router's half of the state is, which is asked
 *   while somebody watches.
 * @param beats what the router is told of the relay
 */
export function viewOf(
  relay: Relay,
  reloading: Pick<Reloading, 'reloads' | 'config'>,
  setup: () => Pick<RelaySetup, 'exporter' | 'congestion'>,
  beats: Pick<Beats, 'said'>,
): RelayView {
  const sampler = new Sampler(() => relay.stats());
  const names = new DeviceNames();
  const router = new ExporterClient(() => setup().exporter);
  const since = Date.now() / 1000;
  const { reloads } = reloading;
  const { port, threads, capture, maxPipes } = relay;
  const halfOpen = halfOpenCounter(() => (capture === 'tproxy' ? toOthers() : toPort(port)));
  const release = version();
  return {
    sampler,
    halfOpen,
    async state() {
      const [{ half, health: found }, incomplete] = await Promise.all([
        router.read(),
        halfOpen().catch(() => undefined),
      ]);
      const about = { port, threads, capture, maxPipes, since, reloads, sampler, release };
      const { maxConnections } = relay;
      const now = {
        at: Date.now() / 1000,
        relay: {
          ...relayState(relay.stats(), { ...about, maxConnections }, incomplete),
          congestion: congestionState(setup().congestion),
          ...(beats.said && { heartbeat: heartbeatState(beats.said) }),
        },
        clients: clientStates(relay.clients()).map(named(names)),
        ...half,
      };
      return { version: STATE_VERSION, ...now, health: health(now, found) };
    },
    congestion: () => congestionState(setup().congestion),
    ready: () => notReady(relay.stats()),
    get isAsking() {
      return names.isAsking || router.isAsking;
    },
    why: whyFrom(
      () => reloading.config,
      (client, destination) => router.why(client, destination),
    ),
    end: () => {
      sampler.end();
      names.end();
    },
  };
}

const congestionState = ({ client, upstream }: CongestionChoice) => ({
  client: client.name,
  ...(client.elsewhere !== undefined && { elsewhere: client.elsewhere }),
  upstream: upstream.name,
});

const heartbeatState = ({ fit, reason, since }: NonNullable<Beats['said']>) => ({
  fit: [...fit],
  reason,
  since,
});

const named = (names: DeviceNames) => (client: ClientState) => {
  const name = names.nameOf(client.address);
  return name === undefined ? client : { ...client, name };
};

/** Also for a load balancer: so in few words. */
function notReady({ upstreams, listening }: RelayStats): string | undefined {
  if (listening.length === 0) return 'it accepts no connections';
  return upstreams.some(({ up }) => up) ? undefined : 'every upstream is down';
}
