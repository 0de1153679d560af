/**
 * Which server a new flow gets, where there are several or where heartbeats say which are fit: `policy/choice.ts` as
 * rules. A chain for each target and family tries to hand the flow over, and returns where it cannot; a group's
 * chain jumps to them in turn. `jhash` chooses by a map of all slots, so these rules are long. They stand in chains
 * of their own that are called by what is in them: such a chain is written once, before any rule jumps to it, and
 * never changed.
 */
import type { Balance } from '../config/balance.js';
import { CHOICE_SEED, CHOICE_SLOTS, type ChoiceTable, choiceTables } from '../policy/choice.js';
import { admitFlow, FAILURE_COMMENT } from './flow-table.js';
import {
  admitChainName,
  chooseChainName,
  enterChainName,
  type FlowTarget,
  lateChainName,
  tryChainName,
} from './flow-target.js';
import { FAMILIES, type Family, ipProtocol } from './flow-time.js';
import { aliveSet, heldSet } from './health-sets.js';
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
import { digest } from './listing.js';
import { clearMarks, maskedMark, setMark } from './mark.js';
import { REFUSE } from './steering.js';

export interface ChoiceInput {
  targets: readonly FlowTarget[];
  /** Numbers of the targets of each group; the first one is all of them. */
  groups: readonly (readonly number[])[];
  balance: Balance;
  share: number;
  /** Whether a server that is held gets flows where no other is fit. */
  takesHeld: boolean;
}

const NFPROTO: Expression = { meta: { key: 'nfproto' } };
const leave: Statement = { return: null };

/** Whether a choice is to be made, or a server's health looked at. */
export const chooses = ({ targets, groups }: Pick<ChoiceInput, 'targets' | 'groups'>): boolean =>
  targets.length > 1 ||
  groups.length > 1 ||
  targets.some(({ heartbeat, drained }) => heartbeat !== undefined || drained === true);

/** Chains `admit`, one a group, and all that they lead to. */
export function choiceChains(input: ChoiceInput): Chain[] {
  const { targets, groups } = input;
  const tries = FAMILIES.flatMap((family) =>
    targets
      .filter((target) => isCandidate(target, family))
      .flatMap((target) => tryChains(input, target, family)),
  );
  const chosen = groups.map((_, group) => groupChains(input, group));
  const slots = chosen.flatMap((one) => one.slots);
  return [
    ...tries,
    ...new Map(slots.map((chain) => [chain.name, chain])).values(),
    ...chosen.flatMap((one) => one.chains),
  ];
}

const isCandidate = ({ families, drained }: FlowTarget, family: Family) =>
  families.includes(family) && drained !== true;

/**
 * `try` sets the target's mark, which is what the sets of servers are asked for. Where the held ones are tried behind
 * all others, a mark that is there already means that it is their turn; so `try` takes its own away again.
 */
function tryChains(input: ChoiceInput, target: FlowTarget, family: Family): Chain[] {
  const { number, mark, heartbeat } = target;
  const enter = enterChainName(family, number);
  const entered = enterChain(input, target, family);
  const name = tryChainName(family, number);
  const cleared = input.takesHeld ? [clearMarks([mark])] : [];
  const isLate = notEqual(maskedMark(mark.mask), 0);
  // Its route is all that counts: it is not asked for again.
  if (heartbeat === undefined)
    return [
      entered,
      {
        name,
        rules: [
          ...(input.takesHeld ? [{ expr: [isLate, leave] }] : []),
          { expr: [jump(enter)] },
          ...cleared.map((one) => ({ expr: [one] })),
        ],
      },
    ];
  const isDead = notEqual(maskedMark(mark.mask), `@${aliveSet(family)}`);
  const isHeld = equal(maskedMark(mark.mask), `@${heldSet(family)}`);
  const late: Chain = {
    name: lateChainName(family, number),
    rules: [{ expr: [setMark(mark), isDead, leave] }, { expr: [goto(enter)] }],
  };
  return [
    entered,
    ...(input.takesHeld ? [late] : []),
    {
      name,
      rules: [
        ...(input.takesHeld ? [{ expr: [isLate, goto(late.name)] }] : []),
        { expr: [setMark(mark), isDead, ...cleared, leave] },
        { expr: [isHeld, ...cleared, leave] },
        { expr: [jump(enter)] },
        ...cleared.map((one) => ({ expr: [one] })),
      ],
    },
  ];
}

/** The flow goes to this target, which is fit: returns where there is no route to it. */
function enterChain({ targets, share }: ChoiceInput, target: FlowTarget, family: Family): Chain {
  const { number, mark, probe } = target;
  const device = probe?.devices[family];
  const routeDevice: Expression = { fib: { result: 'oifname', flags: ['daddr', 'mark'] } };
  return {
    name: enterChainName(family, number),
    rules: [
      ...(probe === undefined || device === undefined
        ? []
        : [
            {
              expr: [setMark({ ...mark, value: probe.mark }), notEqual(routeDevice, device), leave],
            },
          ]),
      ...admitFlow(family, target, targets.length === 1, share),
      { comment: FAILURE_COMMENT.full, expr: [counter(), goto(REFUSE)] },
    ],
  };
}

function groupChains(input: ChoiceInput, group: number): { slots: Chain[]; chains: Chain[] } {
  const members = input.targets.filter(({ number }) => input.groups[group]!.includes(number));
  const made = FAMILIES.flatMap((family) => {
    const candidates = members.filter((target) => isCandidate(target, family));
    if (candidates.length === 0) return [];
    const slots = slotsChain(input, members, family);
    const name = chooseChainName(family, group);
    return [
      { family, slots, choose: { name, rules: chooseRules(input, candidates, family, slots) } },
    ];
  });
  const admit: Chain = {
    name: admitChainName(group),
    rules: [
      ...made.map(({ family, choose }) => ({
        expr: [equal(NFPROTO, `ipv${family}`), goto(choose.name)],
      })),
      { comment: FAILURE_COMMENT.noServer, expr: [counter(), goto(REFUSE)] },
    ],
  };
  return {
    slots: made.map(({ slots }) => slots),
    chains: [...made.map(({ choose }) => choose), admit],
  };
}

function chooseRules(
  { takesHeld }: ChoiceInput,
  candidates: readonly FlowTarget[],
  family: Family,
  slots: Chain,
): Rule[] {
  const judged = candidates.filter(({ heartbeat }) => heartbeat !== undefined);
  const again = judged.slice(0, 1).flatMap(({ mark }) => [setMark(mark), jump(slots.name)]);
  return [
    ...(takesHeld && judged.length > 0 ? [{ expr: [clearMarks(marksOf(judged))] }] : []),
    { expr: [jump(slots.name)] },
    ...(takesHeld && again.length > 0 ? [{ expr: again }] : []),
    ...reasonRules(takesHeld, candidates, family),
  ];
}

const marksOf = (targets: readonly FlowTarget[]) => targets.map(({ mark }) => mark);

/** Why none of them took it. */
function reasonRules(
  takesHeld: boolean,
  candidates: readonly FlowTarget[],
  family: Family,
): Rule[] {
  const refuse = [counter(), goto(REFUSE)];
  if (candidates.some(({ heartbeat }) => heartbeat === undefined))
    return [{ comment: FAILURE_COMMENT.noRoute, expr: refuse }];
  const isIn = (set: string, mask: number) => equal(maskedMark(mask), `@${set}`);
  const ofAlive = (reason: string, ...sets: string[]): Rule[] =>
    candidates.map(({ mark }) => ({
      comment: reason,
      expr: [setMark(mark), ...sets.map((set) => isIn(set, mark.mask)), ...refuse],
    }));
  return [
    ...(takesHeld ? [] : ofAlive(FAILURE_COMMENT.held, aliveSet(family), heldSet(family))),
    ...ofAlive(FAILURE_COMMENT.noRoute, aliveSet(family)),
    { comment: FAILURE_COMMENT.dead, expr: refuse },
  ];
}

const SLOTS = /^slots[0-9a-f]{16}$/;

/** Whether a chain is one that never changes and may be as long as a message. */
export const isSlotsChain = (name: string): boolean => SLOTS.test(name);

function slotsChain(
  { balance }: ChoiceInput,
  members: readonly FlowTarget[],
  family: Family,
): Chain {
  const candidates = members
    .filter(({ families }) => families.includes(family))
    .map(({ number, name, weight = 1, backup = false, drained = false }) => ({
      number,
      name,
      weight,
      backup,
      drained,
    }));
  const rules = choiceTables(candidates).flatMap((table) => slotRules(table, balance, family));
  return { name: `slots${digest(rules).slice(0, 16)}`, rules };
}

function slotRules({ levels, order }: ChoiceTable, balance: Balance, family: Family): Rule[] {
  // Where all but one were tried by their slots, the order leads to the last one.
  const asked = levels.slice(0, order.length - 1);
  return [
    ...asked.map((level) => ({ expr: [{ vmap: slotMap(level, balance, family) }] })),
    ...order.map((number) => ({ expr: [jump(tryChainName(family, number))] })),
  ];
}

function slotMap(level: readonly number[], balance: Balance, family: Family) {
  const hash: Expression = {
    jhash: { mod: CHOICE_SLOTS, seed: CHOICE_SEED, expr: hashed(balance, family) },
  };
  const set = runs(level).map(({ first, last, target }): [Expression, Statement] => [
    first === last ? first : { range: [first, last] },
    jump(tryChainName(family, target)),
  ]);
  return { key: hash, data: { set } };
}

function hashed(balance: Balance, family: Family): Expression {
  const ip = ipProtocol(family);
  const [source, destination] = [payload(ip, 'saddr'), payload(ip, 'daddr')];
  switch (balance) {
    case 'client':
      return source;
    case 'client_destination':
      return { concat: [source, destination] };
    case 'flow':
      return {
        concat: [source, payload('tcp', 'sport'), destination, payload('tcp', 'dport')],
      };
  }
}

/** Neighbouring slots of one target. */
function runs(level: readonly number[]) {
  const found: { first: number; last: number; target: number }[] = [];
  level.forEach((target, slot) => {
    const previous = found.at(-1);
    if (previous?.target === target) previous.last = slot;
    else found.push({ first: slot, last: slot, target });
  });
  return found;
}
