/** What the pages and the control socket tell of a running relay, made in one place for both. */
import { clientStates } from '../../../monitoring/client-state.js';
import { health } from '../../../monitoring/health.js';
import { relayState } from '../../../monitoring/relay-state.js';
import type { Reloads } from '../../../monitoring/reload.js';
import { Sampler } from '../../../monitoring/sampler.js';
import { STATE_VERSION, type State } from '../../../monitoring/state.js';
import type { Relay } from '../../../proxy/relay.js';
import type { RelayStats } from '../../../proxy/stats.js';
import { version } from '../package.js';

export interface RelayView {
  readonly sampler: Sampler;
  state(): Promise<State>;
  /** @returns why a new connection would come to nothing, or undefined. */
  ready(): string | undefined;
  end(): void;
}

export function viewOf(relay: Relay, reloads: Reloads): RelayView {
  const sampler = new Sampler(() => relay.stats());
  const since = Date.now() / 1000;
  const { port, threads, capture, maxPipes } = relay;
  return {
    sampler,
    async state() {
      const { maxConnections } = relay;
      const about = { port, threads, capture, maxPipes, maxConnections, since, reloads, sampler };
      const now = {
        at: Date.now() / 1000,
        relay: relayState(relay.stats(), { ...about, release: version() }),
        clients: clientStates(relay.clients()),
      };
      return { version: STATE_VERSION, ...now, health: health(now) };
    },
    ready: () => notReady(relay.stats()),
    end: () => sampler.end(),
  };
}

/** Also for a load balancer: so in few words. */
function notReady({ upstreams, listening }: RelayStats): string | undefined {
  if (listening.length === 0) return 'it accepts no connections';
  return upstreams.some(({ up }) => up) ? undefined : 'every upstream is down';
}
