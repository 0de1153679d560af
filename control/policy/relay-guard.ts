/**
 * What the relay refuses by itself, even if the router hands it over: `relay.deny`, and every network
 * that is not on the Internet or is attached to the server, less `relay.allow`; and other servers, also as
 * clients. As a table for the engine.
 */
import { guardBit } from '../../proxy/abi.js';
import type { DestinationTable } from '../../proxy/routes.js';
import type { Config, RuleConfig } from '../config/config.js';
import { type Diagnostic, diagnosticAt } from '../config/diagnostic.js';
import type { AddressEntry } from '../config/entry.js';
import { type Nat64Prefix, parseNat64, WELL_KNOWN_NAT64 } from '../config/nat64-prefix.js';
import { type Addresses, addressResolver } from './compile.js';
import { withEmbedded } from './nat64.js';
import { PrefixSet } from './prefix-set.js';
import { PRIVATE } from './private.js';
import { destinationTable } from './routes.js';

/** What is known of the machine that runs the relay. */
export interface Attached {
  /** Its own addresses. */
  addresses: readonly AddressEntry[];
  /** Networks on its interfaces. */
  networks: readonly AddressEntry[];
}

export const NOTHING_ATTACHED: Attached = { addresses: [], networks: [] };

/**
 * The same places by way of a translator: allowing or refusing one means the other. The well-known
 * prefix is always one, for the router's rules may do without while the server's network has it.
 */
function translator({ router }: Config): (set: PrefixSet) => PrefixSet {
  const wellKnown = parseNat64(WELL_KNOWN_NAT64) as Nat64Prefix;
  return (set) => withEmbedded([wellKnown, ...router.nat64], set);
}

/** In the order of the bits below. */
const DENY = 1;
const ALLOW = 2;
const BY_DEFAULT = 4;
const OWN = 8;
const ATTACHED = 16;

function verdict(bits: number): number {
  const denied = bits & DENY || (!(bits & ALLOW) && bits & BY_DEFAULT);
  return (
    (denied ? guardBit.denied : 0) |
    (bits & OWN ? guardBit.own : 0) |
    (bits & ATTACHED ? guardBit.attached : 0)
  );
}

/** Without the borders at which the verdict stays as it was. */
function merged<T>(starts: ArrayLike<T>, bits: Uint32Array): { starts: T[]; bits: Uint32Array } {
  const verdicts = bits.map(verdict);
  const kept = Array.from(verdicts.keys()).filter((i) => verdicts[i] !== (verdicts[i - 1] ?? 0));
  return { starts: kept.map((i) => starts[i]!), bits: Uint32Array.from(kept, (i) => verdicts[i]!) };
}

function serverAddresses({ servers, relay }: Config): string[] {
  const written = servers.flatMap(({ address, uncarried }) => [
    ...[address.v4, address.v6],
    ...[uncarried?.v4, uncarried?.v6],
  ]);
  return [...written.filter((one) => one !== undefined), ...(relay.otherServers ?? [])];
}

export function relayGuard(config: Config, attached: Attached): DestinationTable {
  const addresses = addressResolver(config);
  const { allow, deny } = config.relay;
  const networks = PrefixSet.of(attached.networks);
  const byDefault = PRIVATE.union(networks);
  // A connection from another server would go in a circle, as one to itself.
  const own = PrefixSet.of(attached.addresses).union(PrefixSet.parse(...serverAddresses(config)));
  const withTranslated = translator(config);
  const table = destinationTable([
    withTranslated(addresses(deny)),
    withTranslated(addresses(allow)),
    withTranslated(byDefault.union(own)),
    own,
    networks,
  ]);
  const v4 = merged(table.v4Starts, table.v4Routes);
  const v6 = merged(table.v6Starts, table.v6Routes);
  return {
    v4Starts: Uint32Array.from(v4.starts),
    v4Routes: v4.bits,
    v6Starts: v6.starts,
    v6Routes: v6.bits,
  };
}

/** Whether a rule decides for every TCP packet to the addresses that it names. */
const decidesAlone = ({ proto, from, macs, ports }: RuleConfig) =>
  proto !== 'udp' && !from && !macs && !ports;

/** In words, and as what to write to allow it. */
function named(lost: PrefixSet): { names: string; allow: string } {
  const [first, ...others] = lost.cidrs();
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return { names: `${first}${more}`, allow: `relay: { allow: ["${first}"] }` };
}

/** Rules that hand over what the relay would only refuse. A rule without `to` means the Internet. */
function ruleWarnings(config: Config, addresses: Addresses, byDefault: PrefixSet): Diagnostic[] {
  let refused = byDefault;
  return config.rules.flatMap((rule, i) => {
    if (rule.to === undefined || refused.isEmpty) return [];
    const to = addresses(rule.to);
    const lost = refused.minus(refused.minus(to));
    if (decidesAlone(rule)) refused = refused.minus(to);
    if (rule.action !== 'proxy' || lost.isEmpty) return [];
    const { names, allow } = named(lost);
    return [
      diagnosticAt(config.positionOf(['rules', i, 'to']), {
        message: `rule "${rule.name}" hands over ${names}, which the relay refuses`,
        hint: `if it is to go there, write ${allow}; if not, say direct in a rule before it`,
      }),
    ];
  });
}

/** Routes for what never comes to be routed; the rule that hands it over may be one without `to`. */
function routeWarnings(config: Config, addresses: Addresses, refused: PrefixSet): Diagnostic[] {
  return config.relay.routes.flatMap(({ name, to }, i) => {
    const lost = to && refused.minus(refused.minus(addresses(to)));
    if (lost === undefined || lost.isEmpty) return [];
    const { names, allow } = named(lost);
    return [
      diagnosticAt(config.positionOf(['relay', 'routes', i, 'to']), {
        message: `route "${name}" is for ${names}, which the relay refuses`,
        hint: `if it is to go there, write ${allow}; if not, leave it out of the route`,
      }),
    ];
  });
}

export function relayGuardWarnings(config: Config): Diagnostic[] {
  if (!config.servers.some(({ program }) => program === 'relay')) return [];
  const addresses = addressResolver(config);
  const refused = PRIVATE.minus(addresses(config.relay.allow));
  return [
    ...ruleWarnings(config, addresses, refused),
    ...routeWarnings(config, addresses, refused),
  ];
}
