/**
 * The flow table in nft: "decide once per flow".
 *
 * Two dynamic sets a family. A flow whose first packet was judged `proxy` enters `closing`, the set of
 * those that are remembered for minutes; it moves to `flows`, where hours are, when it has shown life:
 * its client has sent data (PSH, which every stack sets on the last piece of what was written). So a
 * flood that nobody answers never reaches `flows`. FIN and RST move a flow back to `closing`.
 *
 * Later packets of a known flow are steered without looking at the rules again, and refresh its entry:
 * in `flows` each of them, in `closing` one a minute, for that costs the client a token of its share
 * (flow-share.ts); `recent` holds those that were refreshed in this minute. Only when `closing` is full
 * do first packets enter `flows` themselves.
 */
import { isOverShare, noteOverShare, shareSets } from './flow-share.js';
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

export const OVER_SHARE = 'over_share';

/** What `status` calls the reasons for which a flow takes the way of `on_failure`. */
export const FAILURE_COMMENT = {
  overShare: 'client over max_flows_per_client',
  full: 'flow table full',
  noRoute: 'no route to the server',
} as const;

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
const flows = (family: Family) => `flows${family}`;
const closing = (family: Family) => `closing${family}`;
const recent = (family: Family) => `recent${family}`;
const update = (op: 'add' | 'update' | 'delete', set: string, elem: Expression): Statement => ({
  set: { op, elem, set: `@${set}` },
});

const RECENT_SECONDS = 60;

/** The sets, the four of flows each with room for `size`. */
export function flowSets(size: number, share: number): NftSet[] {
  return [
    ...FAMILIES.flatMap((family) => [
      flowSet(flows(family), family, size, ESTABLISHED_SECONDS),
      flowSet(closing(family), family, size, TRANSITORY_SECONDS),
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
 * A new SYN is always classified anew; when the verdict is not `proxy`, whatever is known of its
 * tuple is forgotten. Forgetting first and admitting again would not do: the kernel gives the room
 * of a deleted entry back only at its next sweep, so in a full table a flow that repeats its SYN
 * would lose its place and be steered by halves.
 */
export function forgetFlow(): Rule[] {
  return FAMILIES.map((family) => ({
    expr: [
      update('delete', flows(family), tuple(family)),
      update('delete', closing(family), tuple(family)),
    ],
  }));
}

/** Enters the flow, or renews it, and steers it; falls through when the table is full. */
export function admitFlow(families: readonly Family[], share: number, steer: string): Rule[] {
  return families.flatMap((family) => [
    ...(share > 0
      ? [
          { expr: [isOverShare('entered', family, share), goto(OVER_SHARE)] },
          { expr: [update('update', recent(family), tuple(family))] },
        ]
      : []),
    {
      expr: [
        update('update', closing(family), tuple(family)),
        update('delete', flows(family), tuple(family)),
        goto(steer),
      ],
    },
    {
      expr: [
        update('update', flows(family), {
          elem: { val: tuple(family), timeout: TRANSITORY_SECONDS },
        }),
        goto(steer),
      ],
    },
  ]);
}

/** A first packet of a client that is over its share; a flow that is there already stays steered. */
export function overShareChain(steer: string, refuse: string): Chain {
  return {
    name: OVER_SHARE,
    rules: [
      ...FAMILIES.flatMap((family) =>
        [closing(family), flows(family)].map((set) => ({
          expr: [equal(tuple(family), `@${set}`), goto(steer)],
        })),
      ),
      ...FAMILIES.map((family) => ({ expr: [noteOverShare(family)] })),
      { comment: FAILURE_COMMENT.overShare, expr: [counter(), goto(refuse)] },
    ],
  };
}

/** Sends packets of known flows to `established<family>` and `closing<family>`. */
export function matchFlow(families: readonly Family[]): Rule[] {
  return families.flatMap((family) => [
    { expr: [equal(tuple(family), `@${flows(family)}`), goto(`established${family}`)] },
    { expr: [equal(tuple(family), `@${closing(family)}`), goto(`closing${family}`)] },
  ]);
}

/** Answers of steered flows that come back through this router. */
export function matchAnswer(families: readonly Family[], verdict: Rule['expr']): Rule[] {
  return families.flatMap((family) =>
    [flows(family), closing(family)].map((set) => ({
      expr: [equal(reversedTuple(family), `@${set}`), ...verdict],
    })),
  );
}

const flagsAmong = (...flags: string[]): Expression => ({ '&': [payload('tcp', 'flags'), flags] });

/**
 * Chain `established<family>`: FIN and RST move the flow to `closing`; when that is full the rule
 * breaks and the flow stays where it is, so a flow is never half steered.
 */
function establishedChain(family: Family, steer: string): Chain {
  const key = tuple(family);
  return {
    name: `established${family}`,
    rules: [
      {
        comment: 'flow: client closes',
        expr: [
          notEqual(flagsAmong('fin', 'rst'), 0),
          update('add', closing(family), key),
          update('delete', flows(family), key),
          counter(),
          goto(steer),
        ],
      },
      { expr: [update('update', flows(family), key)] },
      { expr: [goto(steer)] },
    ],
  };
}

/**
 * Chain `closing<family>`: a flow that opens or closes. Data of the client promotes it; else its entry
 * is kept while packets still come (a half-closed download).
 */
function closingChain(family: Family, share: number, steer: string): Chain {
  const key = tuple(family);
  const paid: Rule[] = [
    { expr: [equal(key, `@${recent(family)}`), goto(steer)] },
    { expr: [isOverShare('entered', family, share), goto(steer)] },
    { expr: [update('update', recent(family), key)] },
  ];
  return {
    name: `closing${family}`,
    rules: [
      { expr: [equal(flagsAmong('fin', 'rst', 'psh'), 'psh'), jump(`promote${family}`)] },
      ...(share > 0 ? paid : []),
      { expr: [update('update', closing(family), key)] },
      { expr: [goto(steer)] },
    ],
  };
}

/** Falls through where the flow has to stay in `closing`: its client is over its share, or no room. */
function promoteChain(family: Family, share: number, steer: string): Chain {
  const key = tuple(family);
  return {
    name: `promote${family}`,
    rules: [
      ...(share > 0 ? [{ expr: [isOverShare('promoted', family, share), { return: null }] }] : []),
      {
        expr: [
          update('update', flows(family), key),
          update('delete', closing(family), key),
          goto(steer),
        ],
      },
    ],
  };
}

/** What packets of known flows go through. */
export function flowChains(families: readonly Family[], share: number, steer: string): Chain[] {
  return families.flatMap((family) => [
    establishedChain(family, steer),
    promoteChain(family, share, steer),
    closingChain(family, share, steer),
  ]);
}
