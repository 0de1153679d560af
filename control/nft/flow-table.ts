/**
 * The flow table in nft: "decide once per flow".
 *
 * Two dynamic sets a family. `flows` holds flows whose first packet was judged `proxy`; `closing`
 * those whose client sent FIN or RST. Every later packet of a known flow is steered without looking
 * at the rules again, and refreshes its entry, so that a flow is forgotten only when it is silent.
 * The time-outs are RFC 5382's for address translators: REQ-5 asks for at least 2 h 4 min for
 * established connections and 4 minutes for those that open or close.
 */
import { counter, type Expression, equal, goto, type NftSet, payload, type Rule } from './json.js';

export const ESTABLISHED_SECONDS = 7440;
export const TRANSITORY_SECONDS = 240;

export type Family = 4 | 6;
export const FAMILIES: readonly Family[] = [4, 6];
export const ipProtocol = (family: Family) => (family === 4 ? 'ip' : 'ip6');

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
const update = (op: 'add' | 'update' | 'delete', set: string, elem: Expression) => ({
  set: { op, elem, set: `@${set}` },
});

/** The four sets, each with room for `size` flows. */
export function flowSets(size: number): NftSet[] {
  return FAMILIES.flatMap((family) => [
    flowSet(flows(family), family, size, ESTABLISHED_SECONDS),
    flowSet(closing(family), family, size, TRANSITORY_SECONDS),
  ]);
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
export function admitFlow(families: readonly Family[], steer: string): Rule[] {
  return families.map((family) => ({
    expr: [
      update('update', flows(family), {
        elem: { val: tuple(family), timeout: TRANSITORY_SECONDS },
      }),
      update('delete', closing(family), tuple(family)),
      goto(steer),
    ],
  }));
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

/**
 * Chain `established<family>`: FIN and RST move the flow to `closing`; when that is full the rule
 * breaks and the flow stays where it is, so a flow is never half steered.
 */
export function establishedChain(family: Family, steer: string) {
  const flags: Expression = payload('tcp', 'flags');
  const key = tuple(family);
  return {
    name: `established${family}`,
    rules: [
      {
        comment: 'flow: client closes',
        expr: [
          {
            match: {
              op: '!=' as const,
              left: { '&': [flags, ['fin', 'rst']] as [Expression, string[]] },
              right: 0,
            },
          },
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

/** Chain `closing<family>`: keep the entry while packets still come (a half-closed download). */
export function closingChain(family: Family, steer: string) {
  return {
    name: `closing${family}`,
    rules: [{ expr: [update('update', closing(family), tuple(family))] }, { expr: [goto(steer)] }],
  };
}
