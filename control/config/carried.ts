/** Which address families the relay can carry at all: what no upstream carries is not captured. */
import type { Config, RelayConfig, RelayFamily, ServerConfig } from './config.js';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { type OnFailure, refuses } from './on-failure.js';

const BOTH: readonly RelayFamily[] = ['ipv4', 'ipv6'];
const WORDS: Readonly<Record<RelayFamily, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };

/** Upstreams that some connection may use: a route for everything leaves none to those behind it. */
function usedUpstreams({ upstreams, routes }: Pick<RelayConfig, 'upstreams' | 'routes'>) {
  const all = routes.findIndex(({ to, ports }) => to === undefined && ports === undefined);
  if (all < 0) return upstreams;
  const names = routes.slice(0, all + 1).flatMap((route) => route.upstreams);
  return upstreams.filter(({ name }) => names.includes(name));
}

export function carriedFamilies(relay: Pick<RelayConfig, 'upstreams' | 'routes'>): RelayFamily[] {
  const used = usedUpstreams(relay);
  return BOTH.filter((family) => used.some(({ families = BOTH }) => families.includes(family)));
}

/** With the addresses of families that its relay does not carry set apart. */
export function capturing(server: ServerConfig, relay: RelayConfig): ServerConfig {
  if (server.program !== 'relay') return server;
  const carried = carriedFamilies(relay);
  if (carried.length === BOTH.length) return server;
  const { v4, v6 } = server.address;
  const only = (isWanted: (family: RelayFamily) => boolean) => ({
    ...(v4 !== undefined && isWanted('ipv4') && { v4 }),
    ...(v6 !== undefined && isWanted('ipv6') && { v6 }),
  });
  return {
    ...server,
    address: only((family) => carried.includes(family)),
    uncarried: only((family) => !carried.includes(family)),
  };
}

/** What becomes of a flow that is to be proxied and cannot be. */
export const fateOf = ({ onFailure }: Config): string =>
  `${FATES[onFailure]} (on_failure: ${onFailure})`;

const FATES: Readonly<Record<OnFailure, string>> = {
  direct: 'goes out directly',
  block: 'is dropped',
  reset: 'is reset',
};

function carryHint(family: RelayFamily, { onFailure }: Config): string {
  return `if an upstream does carry it add ${family} to its \`families\`${refuses(onFailure) ? '' : '; if not, on_failure: block or reset keeps it from going round the proxy'}`;
}

/** Says what is not captured, and what becomes of it. */
export function familyWarnings(config: Config): Diagnostic[] {
  const { relay, servers } = config;
  const carried = carriedFamilies(relay);
  if (!servers.some(({ program }) => program === 'relay')) return [];
  return BOTH.filter((family) => !carried.includes(family)).map((family) =>
    diagnosticAt(config.positionOf(['relay', 'upstreams']), {
      message: `no upstream carries ${WORDS[family]}, so none is captured: ${WORDS[family]} that rules proxy ${fateOf(config)}`,
      hint: carryHint(family, config),
    }),
  );
}
