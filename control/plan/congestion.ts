/**
 * Which congestion control the two legs of a relayed connection get: `relay.congestion_control` against
 * what a kernel has and lets this process use. The way to the LAN is short and loses nothing, so that
 * pacing by timers, as BBR does, only makes it dearer: there `auto` goes back to an algorithm that does without.
 */
import type { Config } from '../config/config.js';
import { type Diagnostic, diagnosticAt } from '../config/diagnostic.js';

/** What a kernel has: `/proc/sys/net/ipv4/tcp_{congestion_control,available_congestion_control}`. */
export interface CongestionOfKernel {
  /** What a socket gets that nothing is said to. */
  system: string;
  available: readonly string[];
  /** @returns undefined where the relay may use it, else why not: `EPERM`, `ENOENT`. */
  refusal(name: string): string | undefined;
}

export type CongestionLeg = 'client' | 'upstream';

/** Of one leg. */
export interface CongestionOfLeg {
  /** As configured: `auto`, `system` or a name. */
  wanted: string;
  /** What new connections have; the system's where what is wanted is refused. */
  name: string;
  /** What was refused, and why. */
  refused?: { name: string; reason: string };
}

export interface CongestionChoice {
  /** `elsewhere`: of clients that are on no attached network, where theirs differs. */
  client: CongestionOfLeg & { elsewhere?: string };
  upstream: CongestionOfLeg;
}

/** Those that do without pacing, the better one first. */
const LOSS_BASED = ['cubic', 'reno'] as const;
const PACED = /^(bbr|prague)/;

export function chooseCongestion(
  { client, upstream }: Config['relay']['congestionControl'],
  kernel: CongestionOfKernel,
): CongestionChoice {
  return {
    client: client === 'auto' ? automatic(kernel) : chosen(client, kernel),
    upstream: chosen(upstream, kernel),
  };
}

function chosen(wanted: string, { system, refusal }: CongestionOfKernel): CongestionOfLeg {
  const reason = wanted === 'system' ? undefined : refusal(wanted);
  if (reason !== undefined) return { wanted, name: system, refused: { name: wanted, reason } };
  return { wanted, name: wanted === 'system' ? system : wanted };
}

function automatic({ system, refusal }: CongestionOfKernel): CongestionChoice['client'] {
  if (!PACED.test(system)) return { wanted: 'auto', name: system };
  const name = LOSS_BASED.find((one) => refusal(one) === undefined);
  if (name !== undefined) return { wanted: 'auto', name, elsewhere: system };
  const [first] = LOSS_BASED;
  const refused = { name: first, reason: refusal(first) ?? 'EPERM' };
  return { wanted: 'auto', name: system, refused };
}

/** `cubic (auto; clients elsewhere bbr)`, for `status`. */
export function congestionText({ client, upstream }: CongestionChoice): string {
  const details = ({ wanted, refused, elsewhere }: CongestionChoice['client']) => [
    ...(refused === undefined && ['auto', 'system'].includes(wanted) ? [wanted] : []),
    ...(elsewhere === undefined ? [] : [`clients beyond its networks ${elsewhere}`]),
    ...(refused === undefined ? [] : [`${refused.name} is refused: ${refused.reason}`]),
  ];
  const leg = (one: CongestionChoice['client']) => {
    const more = details(one).join('; ');
    return more === '' ? one.name : `${one.name} (${more})`;
  };
  return `congestion control: client ${leg(client)}, upstream ${leg(upstream)}`;
}

/** Names that the kernel does not have: what the file says is wrong, or a module is to be loaded. */
export function unknownCongestion(
  config: Config,
  choice: CongestionChoice,
  { available }: Pick<CongestionOfKernel, 'available'>,
): Diagnostic[] {
  return refusals(choice).flatMap(({ leg, name, reason }) => {
    if (reason !== 'ENOENT' || choice[leg].wanted === 'auto') return [];
    const possible = available.length > 0 ? ` it has ${available.join(', ')}` : '';
    return [
      diagnosticAt(config.positionOf(pathOf(leg)), {
        message: `this kernel has no congestion control "${name}"${possible && `;${possible}`}`,
        hint: `write one of those, or load it: modprobe tcp_${name}`,
      }),
    ];
  });
}

/** What this kernel has and does not let the relay use. */
export function refusedCongestion(
  config: Config,
  choice: CongestionChoice,
  { available, system }: Pick<CongestionOfKernel, 'available' | 'system'>,
): Diagnostic[] {
  return refusals(choice).flatMap(({ leg, name, reason }) => {
    if (reason === 'ENOENT' && choice[leg].wanted !== 'auto') return [];
    const allowed = [...new Set([...available.filter((one) => one === 'reno'), system, name])];
    return [
      diagnosticAt(config.positionOf(pathOf(leg)), {
        message: `the kernel refuses the congestion control "${name}" to the relay (${reason}): the ${leg}'s leg keeps ${system}`,
        hint: `allow it: sysctl -w net.ipv4.tcp_allowed_congestion_control="${allowed.join(' ')}", and reload the relay; in a container on its host`,
      }),
    ];
  });
}

const pathOf = (leg: CongestionLeg) => ['relay', 'congestion_control', leg];

function refusals(choice: CongestionChoice) {
  return (['client', 'upstream'] as const).flatMap((leg) => {
    const { refused } = choice[leg];
    return refused === undefined ? [] : [{ leg, ...refused }];
  });
}
