/**
 * The flow table in nft: "decide once per flow".
 *
 * Two dynamic sets for each family and target (flow-target.ts). A flow whose first packet was judged `proxy` enters `closing`, the set of
 * those that are remembered for minutes; it moves to `flows`, where hours are, when it has shown life:
 * its client has sent data (PSH, which every stack sets on the last piece of what was written). So a
 * unanswered flood never reaches `flows`. FIN and RST move a flow back to `closing`.
 *
 * Later packets of a known flow are steered without looking at the rules again, and refresh its entry:
 * in `flows` each of them, in `closing` one a minute, for that costs the client a token of its share
 * (flow-share.ts); `recent` holds those that were refreshed in this minute. Only when `closing` is full
 * do first packets enter `flows` themselves.
 */
import { isOverShare, rememberOverShare, shareSets } from './flow-share.js';
import {
  closingChainName,
  closingSet,
  establishedChainName,
  type FlowTarget,
  flowsSet,
  promoteChainName,
  steerChainName,
  suffix,
} from './flow-target.js';
import {
  ESTABLISHED_SECONDS,
  FAMILIES,
  type Family,
  ipProtocol,
  TRANSITORY_SECONDS,
} from './flow-time.js';
import {
  type Chain,
  counter,
  type Expression,
  equal,
  goto,
  jump,
  type NftSet,
  notEqual,
  payload,
  type Rule,
  type Statement,
} from './json.js';
import { maskedMark, setMark } from './mark.js';

export const OVER_SHARE = 'over_share';

/** What `status` calls the reasons for which a flow is left to `on_failure`. */
export const FAILURE_COMMENT = {
  overShare: 'client over max_flows_per_client',
  full: 'flow table full',
  noRoute: 'no route to the server',
  noServer: 'no server of this family',
  dead: 'no server is alive',
  held: 'a server came back too often',
} as const;

const takes = (family: Family) => (target: FlowTarget) => target.families.includes(family);

/** The flow's key as the client sends it. */
function tuple(family: Family): Expression {
  const ip = ipProtocol(family);
  return concat(payload(ip, 'saddr'), payload('tcp', 'sport'), payload(ip, 'daddr'), dport());
}

/** The same key read from an answer. */
function reversedTuple(family: Family): Expression {
  const ip = ipProtocol(family);
  return concat(payload(ip, 'daddr'), dport(), payload(ip, 'saddr'), payload('tcp', 'sport'));
}

const concat = (...parts: Expression[]): Expression => ({ concat: parts });
const dport = (): Expression => payload('tcp', 'dport');
const recent = (family: Family) => `recent${family}`;
const update = (op: 'add' | 'update' | 'delete', set: string, elem: Expression): Statement => ({
  set: { op, elem, set: `@${set}` },
});

const RECENT_SECONDS = 60;

/** The sets, those of flows each with room for `size`. */
export function flowSets(targets: readonly FlowTarget[], size: number, share: number): NftSet[] {
  return [
    ...FAMILIES.flatMap((family) => [
      ...targets.flatMap(({ number }) => [
        flowSet(flowsSet(family, number), family, size, ESTABLISHED_SECONDS),
        flowSet(closingSet(family, number), family, size, TRANSITORY_SECONDS),
      ]),
      ...(share > 0 ? [flowSet(recent(family), family, size, RECENT_SECONDS)] : []),
    ]),
    ...shareSets(share),
  ];
}

function flowSet(name: string, family: Family, size: number, timeout: number): NftSet {
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const type = [address, 'inet_service', address, 'inet_service'];
  return { name, type, flags: ['timeout'], size, timeout };
}

/**
 * A new SYN is always classified anew; when the verdict is not `proxy`, all that is known of its
 * tuple is forgotten. Forgetting first and admitting again would not do: the kernel gives the room
 * of a deleted entry back only at its next sweep, so in a full table a flow that repeats its SYN
 * would lose its place and be steered by halves.
 */
export function forgetFlow(targets: readonly FlowTarget[]): Rule[] {
  return targets.length > 1 ? [{ expr: [jump(FORGET)] }] : forgetRules(targets);
}

/** A rule for each: the kernel takes no more than 128 expressions in one. */
const forgetRules = (targets: readonly FlowTarget[]): Rule[] =>
  FAMILIES.flatMap((family) => targets.map((target) => ({ expr: forgetAt(family, target) })));

const FORGET = 'forget';
const settledChainName = (family: Family, number: number) => `settled${family}${suffix(number)}`;
const movedChainName = (family: Family) => `moved${family}`;

/**
 * Of several targets: what all are to forget, and what others than the one whose mark the packet has. A
 * chain for all, since a rule in each target's would be their number squared.
 */
export function forgetChains(targets: readonly FlowTarget[]): Chain[] {
  if (targets.length < 2) return [];
  const mask = targets.reduce((bits, { mark }) => (bits | mark.mask) >>> 0, 0);
  return [
    { name: FORGET, rules: forgetRules(targets) },
    ...FAMILIES.flatMap((family) =>
      targets.filter(takes(family)).map(({ number, mark }) => ({
        name: settledChainName(family, number),
        rules: [
          { expr: [setMark({ ...mark, mask }), jump(movedChainName(family))] },
          { expr: [goto(steerChainName(number))] },
        ],
      })),
    ),
    ...FAMILIES.map((family) => ({
      name: movedChainName(family),
      rules: targets.map((target) => ({
        expr: [notEqual(maskedMark(mask), target.mark.value), ...forgetAt(family, target)],
      })),
    })),
  ];
}

function forgetAt(family: Family, { number }: FlowTarget): Statement[] {
  return [
    update('delete', flowsSet(family, number), tuple(family)),
    update('delete', closingSet(family, number), tuple(family)),
  ];
}

/**
 * Enters the flow, or renews it, and steers it; falls through when the table is full. A tuple that is
 * used again may stand in `flows` still, and then stands in both: its packets go on by the entry there,
 * which lives longer, and leave it when they close the flow.
 * @param isAlone no other target is there to which an earlier flow of the same tuple may have gone.
 */
export function admitFlow(
  family: Family,
  { number }: FlowTarget,
  isAlone: boolean,
  share: number,
): Rule[] {
  const steer = goto(isAlone ? steerChainName(number) : settledChainName(family, number));
  return [
    ...(share > 0
      ? [
          { expr: [isOverShare('entered', family, share), goto(OVER_SHARE)] },
          { expr: [update('update', recent(family), tuple(family))] },
        ]
      : []),
    { expr: [update('update', closingSet(family, number), tuple(family)), steer] },
    {
      expr: [
        update('update', flowsSet(family, number), {
          elem: { val: tuple(family), timeout: TRANSITORY_SECONDS },
        }),
        steer,
      ],
    },
  ];
}

/** A first packet of a client that is over its share; a flow that is there already stays steered. */
export function overShareChain(targets: readonly FlowTarget[], refuse: string): Chain {
  return {
    name: OVER_SHARE,
    rules: [
      ...FAMILIES.flatMap((family) =>
        targets.flatMap(({ number }) =>
          [closingSet(family, number), flowsSet(family, number)].map((set) => ({
            expr: [equal(tuple(family), `@${set}`), goto(steerChainName(number))],
          })),
        ),
      ),
      ...FAMILIES.map((family) => ({ expr: [rememberOverShare(family)] })),
      { comment: FAILURE_COMMENT.overShare, expr: [counter(), goto(refuse)] },
    ],
  };
}

/** Sends packets of known flows to the chains of their target. */
export function matchFlow(targets: readonly FlowTarget[]): Rule[] {
  return FAMILIES.flatMap((family) =>
    targets.filter(takes(family)).flatMap(({ number }) => [
      {
        expr: [
          equal(tuple(family), `@${flowsSet(family, number)}`),
          goto(establishedChainName(family, number)),
        ],
      },
      {
        expr: [
          equal(tuple(family), `@${closingSet(family, number)}`),
          goto(closingChainName(family, number)),
        ],
      },
    ]),
  );
}

/** Answers of steered flows that come back through this router. */
export function matchAnswer(targets: readonly FlowTarget[], verdict: Rule['expr']): Rule[] {
  return FAMILIES.flatMap((family) =>
    targets.filter(takes(family)).flatMap(({ number }) =>
      [flowsSet(family, number), closingSet(family, number)].map((set) => ({
        expr: [equal(reversedTuple(family), `@${set}`), ...verdict],
      })),
    ),
  );
}

const flagsAmong = (...flags: string[]): Expression => ({ '&': [payload('tcp', 'flags'), flags] });

/**
 * Chain `established<family>`: FIN and RST move the flow to `closing`, where it may stand already; when
 * that is full the rule breaks and the flow stays where it is, so a flow is never half steered.
 */
function establishedChain(family: Family, number: number): Chain {
  const key = tuple(family);
  const steer = goto(steerChainName(number));
  return {
    name: establishedChainName(family, number),
    rules: [
      {
        comment: 'flow: client closes',
        expr: [
          notEqual(flagsAmong('fin', 'rst'), 0),
          update('update', closingSet(family, number), key),
          update('delete', flowsSet(family, number), key),
          counter(),
          steer,
        ],
      },
      { expr: [update('update', flowsSet(family, number), key)] },
      { expr: [steer] },
    ],
  };
}

/**
 * Chain `closing<family>`: a flow that opens or closes. Data of the client promotes it; else its entry
 * is kept while packets still come (a half-closed download).
 */
function closingChain(family: Family, share: number, number: number): Chain {
  const key = tuple(family);
  const steer = goto(steerChainName(number));
  const paid: Rule[] = [
    { expr: [equal(key, `@${recent(family)}`), steer] },
    { expr: [isOverShare('entered', family, share), steer] },
    { expr: [update('update', recent(family), key)] },
  ];
  return {
    name: closingChainName(family, number),
    rules: [
      {
        expr: [
          equal(flagsAmong('fin', 'rst', 'psh'), 'psh'),
          jump(promoteChainName(family, number)),
        ],
      },
      ...(share > 0 ? paid : []),
      { expr: [update('update', closingSet(family, number), key)] },
      { expr: [steer] },
    ],
  };
}

/** Falls through where the flow has to stay in `closing`: its client is over its share, or no room. */
function promoteChain(family: Family, share: number, number: number): Chain {
  const key = tuple(family);
  return {
    name: promoteChainName(family, number),
    rules: [
      ...(share > 0 ? [{ expr: [isOverShare('promoted', family, share), { return: null }] }] : []),
      {
        expr: [
          update('update', flowsSet(family, number), key),
          update('delete', closingSet(family, number), key),
          goto(steerChainName(number)),
        ],
      },
    ],
  };
}

/** What packets of known flows go through. */
export function flowChains(targets: readonly FlowTarget[], share: number): Chain[] {
  return FAMILIES.flatMap((family) =>
    targets
      .filter(takes(family))
      .flatMap(({ number }) => [
        establishedChain(family, number),
        promoteChain(family, share, number),
        closingChain(family, share, number),
      ]),
  );
}
