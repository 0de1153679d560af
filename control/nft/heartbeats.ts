/**
 * Heartbeats of servers, as the nftables classifier takes them. nft compares the tag, which is the same in each of
 * a server's heartbeats: a machine that reads the frames between server and router can repeat them. It cannot
 * compare a hash, or a counter with the last one. All are dropped here, whether they count or not.
 */
import {
  HEARTBEAT_FLAGS,
  HEARTBEAT_REASONS,
  HEARTBEAT_SOURCE_PORT,
} from '../../bpf/server-health.js';
import {
  authenticChainName,
  type BeatingTarget,
  beating,
  type FlowTarget,
  heartbeatChainName,
} from './flow-target.js';
import { FAMILIES, type Family, ipProtocol } from './flow-time.js';
import {
  ALIVE_SECONDS,
  aliveSet,
  FLAP_SECONDS,
  flapSet,
  flaps,
  forget,
  HEARD_SECONDS,
  HEARD_SET,
  type HealthParameters,
  HOLD_SECONDS,
  heldSet,
  KEEP_SET,
  LEARNED_MACS,
  LEARNED_SECONDS,
  REASON_SET,
  remember,
  riseSet,
  rises,
  sinceSet,
} from './health-sets.js';
import {
  type Chain,
  counter,
  type Expression,
  equal,
  goto,
  jump,
  notEqual,
  payload,
  type Rule,
  type Statement,
} from './json.js';
import { META_MARK } from './mark.js';

export const HEARTBEATS = 'heartbeats';
const UDP_HEADER = 8;
const LENGTH = UDP_HEADER + 40;
/** "SDTK" and version 1. */
const BEGINNING = 0x53_44_54_4b_01;
const drop: Statement = { drop: null };

/** Bits of the payload. */
const field = (byte: number, length: number): Expression => ({
  payload: { base: 'th', offset: 8 * (UDP_HEADER + byte), len: 8 * length },
});
const TAG = field(16, 16);
const FLAGS = field(5, 1);

/** What a heartbeat's rule counts, by what was wrong with it; nothing was when `wrong` is absent. */
export const heartbeatComment = (server: string, wrong?: 'tag' | 'address' | 'mac' | 'malformed') =>
  `heartbeat ${server}${wrong === undefined ? '' : `: ${wrong}`}`;
/** Of packets to the port that no server is known by. */
export const STRANGE_HEARTBEAT = 'heartbeat of no server';
const COMMENT = /^heartbeat (?<server>\S+?)(?:: (?<wrong>tag|address|mac|malformed))?$/;

/** What the comment of a heartbeat's rule says; undefined for other comments. */
export function parseHeartbeatComment(
  comment: string,
): { server: string; wrong?: 'tag' | 'address' | 'mac' | 'malformed' } | undefined {
  const { server, wrong } = COMMENT.exec(comment)?.groups ?? {};
  if (server === undefined) return undefined;
  const known = (['tag', 'address', 'mac', 'malformed'] as const).find((one) => one === wrong);
  return { server, ...(known !== undefined && { wrong: known }) };
}

/** Of packets from a server: its heartbeats to this router. */
export function takeHeartbeat({ port }: Pick<HealthParameters, 'port'>): Rule {
  const toRouter = equal({ fib: { result: 'type', flags: ['daddr'] } }, 'local');
  return { expr: [equal(payload('udp', 'dport'), port), toRouter, goto(HEARTBEATS)] };
}

/** Behind that, what comes to the port from others; it is never delivered. */
export function inputChain(
  interfaces: readonly string[],
  { port }: Pick<HealthParameters, 'port'>,
  prio: number,
): Chain {
  const devices = [...new Set(interfaces)].sort();
  return {
    name: 'input',
    hook: { type: 'filter', hook: 'input', prio },
    rules: [
      {
        expr: [
          equal(payload('udp', 'dport'), port),
          equal({ meta: { key: 'iifname' } }, { set: devices }),
          goto(HEARTBEATS),
        ],
      },
    ],
  };
}

/**
 * A reset that `reject` sends has the far end's address as its source, and conntrack takes it for invalid,
 * which firewalls drop.
 */
export function ownResetsChain(prio: number): Chain {
  const isReset: Expression = { '&': [payload('tcp', 'flags'), ['rst']] };
  const source: Expression = { fib: { result: 'type', flags: ['saddr'] } };
  return {
    name: 'own_resets',
    hook: { type: 'filter', hook: 'output', prio },
    rules: [{ expr: [equal(isReset, 'rst'), notEqual(source, 'local'), { notrack: null }] }],
  };
}

/**
 * @param judges whether new flows are judged here, too; else only `keep` and the MACs are filled, beside the eBPF
 * classifier, which hands on what it has found authentic.
 */
export function heartbeatChains(
  targets: readonly FlowTarget[],
  health: HealthParameters,
  judges: boolean,
): Chain[] {
  const judged = beating(targets);
  if (judged.length === 0) return [];
  const families = judges ? FAMILIES.filter((family) => judged.some(takes(family))) : [];
  return [
    ...families.flatMap((family) => [backChain(family), fitChain(family, health)]),
    ...judged.flatMap((target) => [authenticChain(target, health, judges), senderChain(target)]),
    {
      name: HEARTBEATS,
      rules: [
        ...judged.flatMap(fromTarget),
        ...judged.map(({ name, heartbeat }) => ({
          comment: heartbeatComment(name, 'address'),
          expr: [equal(TAG, tagNumber(heartbeat.tag)), counter(), drop],
        })),
        { comment: STRANGE_HEARTBEAT, expr: [counter(), drop] },
      ],
    },
  ];
}

const takes = (family: Family) => (target: FlowTarget) => target.families.includes(family);

/** As nft reads 16 bytes. */
const tagNumber = (tag: string) => `0x${tag}`;

function fromTarget({ number, heartbeat }: BeatingTarget): Rule[] {
  return FAMILIES.flatMap((family) => {
    const address = heartbeat.addresses[family];
    if (address === undefined) return [];
    const from = equal(payload(ipProtocol(family), 'saddr'), address);
    // None of ours has extension headers; nft would skip them, and the eBPF classifier has not looked behind all of them.
    const plain = family === 6 ? [equal(payload('ip6', 'nexthdr'), 'udp')] : [];
    return [{ expr: [from, ...plain, goto(heartbeatChainName(number))] }];
  });
}

/**
 * Packets from the target's address: those that are authentic, and why the others are not. What is taken is said by
 * what has to be equal, all of it in one rule: a match that cannot be read ends its rule, one with `!=` too, so a
 * packet that is cut off would pass by every rule that refuses (measured on Linux 6.18).
 */
function senderChain({ number, name, heartbeat }: BeatingTarget): Chain {
  const { tag, mac } = heartbeat;
  const whole = [equal(payload('udp', 'length'), LENGTH), equal(field(0, 5), BEGINNING)];
  const isTagged = equal(TAG, tagNumber(tag));
  const sender = payload('ether', 'saddr');
  const refuse = (wrong: 'tag' | 'mac' | 'malformed', ...match: Statement[]): Rule => ({
    comment: heartbeatComment(name, wrong),
    expr: [...match, counter(), drop],
  });
  return {
    name: heartbeatChainName(number),
    rules: [
      {
        expr: [
          ...whole,
          isTagged,
          ...(mac === undefined ? [] : [equal(sender, mac)]),
          goto(authenticChainName(number)),
        ],
      },
      refuse('tag', ...whole, notEqual(TAG, tagNumber(tag))),
      ...(mac === undefined ? [] : [refuse('mac', ...whole, isTagged, notEqual(sender, mac))]),
      refuse('malformed'),
    ],
  };
}

/** A packet that is the target's own. It ends here, so its mark may be the target's and nothing else. */
function authenticChain(
  { number, name, families, mark, heartbeat }: BeatingTarget,
  health: HealthParameters,
  judges: boolean,
): Chain {
  const learned = remember(LEARNED_MACS, LEARNED_SECONDS, payload('ether', 'saddr'));
  return {
    name: authenticChainName(number),
    rules: [
      {
        comment: heartbeatComment(name),
        expr: [
          { mangle: { key: META_MARK, value: mark.value } },
          counter(),
          remember(KEEP_SET, health.resetAfterSeconds),
        ],
      },
      ...(heartbeat.mac === undefined ? [{ expr: [learned] }] : []),
      ...(judges ? judgeRules(families, health) : []),
      { expr: [drop] },
    ],
  };
}

function judgeRules(families: readonly Family[], health: HealthParameters): Rule[] {
  const last = HEARTBEAT_SOURCE_PORT + Object.keys(HEARTBEAT_REASONS).length - 1;
  const source = payload('udp', 'sport');
  const said: Expression = { concat: [META_MARK, source] };
  const reasons = { range: [HEARTBEAT_SOURCE_PORT, last] } satisfies Expression;
  return [
    { expr: [remember(HEARD_SET, HEARD_SECONDS)] },
    { expr: [equal(source, reasons), remember(REASON_SET, HEARD_SECONDS, said)] },
    ...families.flatMap((family): Rule[] => {
      const fit = family === 4 ? HEARTBEAT_FLAGS.fit4 : HEARTBEAT_FLAGS.fit6;
      const asked: Expression = { '&': [FLAGS, fit | HEARTBEAT_FLAGS.leaving] };
      const sets = [aliveSet(family), ...rises(health).map((count) => riseSet(family, count))];
      return [
        { expr: [notEqual(asked, fit), ...sets.map(forget)] },
        { expr: [equal(asked, fit), jump(fitChainName(family))] },
      ];
    }),
  ];
}

const fitChainName = (family: Family) => `fit${family}`;
const backChainName = (family: Family) => `back${family}`;
const isIn = (set: string): Statement => equal(META_MARK, `@${set}`);

/** A server that says it is fit: it stays alive, or is one heartbeat nearer to it. */
function fitChain(family: Family, health: HealthParameters): Chain {
  const steps = rises(health);
  const back = goto(backChainName(family));
  return {
    name: fitChainName(family),
    rules: [
      {
        expr: [isIn(aliveSet(family)), remember(aliveSet(family), ALIVE_SECONDS), { return: null }],
      },
      ...steps.toReversed().map((count): Rule => {
        const set = riseSet(family, count);
        const isLast = count === steps.length;
        const next = isLast
          ? [back]
          : [remember(riseSet(family, count + 1), ALIVE_SECONDS), { return: null }];
        return { expr: [isIn(set), forget(set), ...next] };
      }),
      {
        expr: steps.length === 0 ? [back] : [remember(riseSet(family, 1), ALIVE_SECONDS)],
      },
    ],
  };
}

/** It is alive again. The oftener it came back lately the longer it is held. */
function backChain(family: Family): Chain {
  const alive = [
    remember(aliveSet(family), ALIVE_SECONDS),
    remember(sinceSet(family), HEARD_SECONDS),
  ];
  return {
    name: backChainName(family),
    rules: [
      { expr: alive },
      ...flaps.toReversed().map((count): Rule => {
        const set = flapSet(family, count);
        const next = flapSet(family, Math.min(count + 1, flaps.length));
        return {
          expr: [
            isIn(set),
            forget(set),
            remember(next, FLAP_SECONDS),
            remember(heldSet(family), HOLD_SECONDS[count]!),
            { return: null },
          ],
        };
      }),
      { expr: [remember(flapSet(family, 1), FLAP_SECONDS)] },
    ],
  };
}
