/** What a host is asked in each reading, and what it is asked only now and then: one script for all of it. */
import type { ClassifierCounters, ClassifierState } from '../../bpf/report.js';
import { countersQuery } from '../apply/classifier.js';
import { observedIn, questionsTo } from '../apply/observe.js';
import { healthSetsQuery } from '../apply/server-health.js';
import { commandError, parseJson } from '../command/answer.js';
import type { Command } from '../command/command.js';
import { parseAnswers, type Queries, type Query, query } from '../command/query.js';
import type { Config } from '../config/config.js';
import type { Host } from '../hosts/host.js';
import { type KeepState, keepStateQuery } from '../keep/state.js';
import { type CountedTable, countedRules } from '../nft/counted-rules.js';
import type { NftSet } from '../nft/json.js';
import { type ListedSet, nftAnswer } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import type { ObservedHost } from '../plan/state.js';
import { classifierQuery } from '../resources/bpf-query.js';
import { type ElementCounts, elementsQuery } from './flows.js';
import type { Answers, Questions } from './kept-host.js';
import { type InterfaceBytes, kernelQueries } from './kernel.js';
import { type NextHopState, nextHopsQuery } from './next-hops.js';

/**
 * The rules with their counters. Of a table with a hundred thousand prefixes this takes a few milliseconds and 4 MB, since
 * `list ruleset --terse` reads no elements. Where a rule of others is not known to nft, ours is asked for by name, which
 * reads them (1.7 s).
 */
const LIST = `
listing=$(nft -j -t list ruleset inet 2>/dev/null) && printf '%s\\n' "$listing" ||
  exec nft -j -t list table inet "$1"`;

const ABSENT = /No such file or directory/;

export const rulesQuery: Query<CountedTable | undefined> = query(
  {
    argv: ['sh', '-c', LIST, 'sh', TABLE_NAME],
    program: ['nft', '-j', '-t', 'list', 'ruleset', 'inet'],
  },
  ({ host, command, result }) => {
    if (result.status !== 0) {
      if (ABSENT.test(result.stderr)) return undefined;
      throw commandError(host, command, result);
    }
    return countedRules(parseJson(host, command, result.stdout, nftAnswer), TABLE_NAME);
  },
);

export interface Asked {
  isRouter: boolean;
  /** How many flows there are, where that is dear to tell. */
  flows: boolean;
  /** All that a plan is made from. */
  drift: boolean;
  /** Of the targets, as far as the router was seen to have some. */
  numbers?: number[];
  /** Of which a plan need not see the elements. */
  wantedSets?: readonly NftSet[] | undefined;
}

export interface RouterAnswers {
  martians?: { source: number; destination: number } | undefined;
  reversePath?: number | undefined;
  interfaces?: InterfaceBytes[] | undefined;
  conntrackEntries?: number | undefined;
  conntrackLimit?: number | undefined;
  nextHops: NextHopState[];
  /** What heartbeats left in sets of nftables. */
  healthSets?: ListedSet[] | undefined;
  /** Of the eBPF classifier. */
  counters?: ClassifierCounters | undefined;
  /** Where they were asked for. */
  elements?: ElementCounts | undefined;
  classifier?: ClassifierState | undefined;
}

export interface HostAnswers {
  /** Absent where there is no table of ours. */
  rules?: CountedTable | undefined;
  router?: RouterAnswers;
  /** What its watcher has done; absent where none has run. */
  keep?: KeepState | undefined;
  /** Where it was asked for. */
  observed?: ObservedHost;
  /** Milliseconds that the host took for what is dear. */
  costs: { flows?: number; drift?: number };
  /** Nothing is missing that was asked for. */
  isWhole: boolean;
}

const nothing: Query<undefined> = { commands: [], parse: () => undefined };

/** All of it in one round trip. */
export function hostQuestions(config: Config, asked: Asked): Questions<HostAnswers> {
  const { isRouter, drift, wantedSets } = asked;
  const queries = (host: Host, all: boolean) => ({
    rules: rulesQuery,
    keep: keepStateQuery(host),
    ...kernelQueriesOf(isRouter),
    nextHops: isRouter ? nextHopsQuery(config) : nothing,
    healthSets: isRouter ? healthSetsQuery(config) : nothing,
    counters: isRouter && config.router.classifier === 'ebpf' ? countersQuery(host) : nothing,
    ...flowQueries(config, all ? asked : { ...asked, flows: false }, host),
  });
  const asking = (queries: Queries): Command[] =>
    Object.values(queries).flatMap(({ commands }) => [...commands]);
  const cheap = (host: Host) => asking(queries(host, false)).length;
  return {
    commands: (host) => [
      ...asking(queries(host, true)),
      ...(drift ? questionsTo(host, wantedSets) : []),
    ],
    enough: cheap,
    parse: (host, answers) => {
      const { results } = answers;
      const isWhole = results.length > cheap(host) || !(asksFlows(config, asked) || drift);
      const asks = queries(host, isWhole);
      const { length } = asking(asks);
      const { rules, keep, ...found } = parseAnswers(host, asks, results.slice(0, length));
      const { nextHops, elements, state, ...rest } = found;
      return {
        ...(rules && { rules }),
        ...(keep && { keep }),
        ...(nextHops && {
          router: { ...rest, nextHops, elements, classifier: state?.classifier },
        }),
        ...(drift && isWhole && { observed: observedIn(host, results.slice(length), wantedSets) }),
        costs: isWhole ? costsOf(config, asked, answers, length) : {},
        isWhole,
      };
    },
  };
}

function kernelQueriesOf(
  isRouter: boolean,
): typeof kernelQueries | Record<keyof typeof kernelQueries, typeof nothing> {
  if (isRouter) return kernelQueries;
  return {
    martians: nothing,
    reversePath: nothing,
    interfaces: nothing,
    conntrackEntries: nothing,
    conntrackLimit: nothing,
  };
}

/** The last of the cheap ones, so that its time is known. */
function flowQueries(config: Config, asked: Asked, host: Host) {
  const isEbpf = config.router.classifier === 'ebpf';
  const asks = asksFlows(config, asked);
  return {
    elements: asks && !isEbpf ? elementsQuery(config, asked.numbers) : nothing,
    state: asks && isEbpf ? classifierQuery(host) : nothing,
  };
}

/** What a plan asks for says it of the eBPF classifier, too. */
const asksFlows = ({ router }: Config, { isRouter, flows, drift }: Asked): boolean =>
  isRouter && flows && !(drift && router.classifier === 'ebpf');

/** @param cheap how many commands come before those of a plan. */
function costsOf(config: Config, asked: Asked, { ends }: Answers, cheap: number) {
  const took = (from: number, to: number) => (ends[to - 1] ?? 0) - (ends[from - 1] ?? 0);
  return {
    ...(asksFlows(config, asked) && { flows: took(cheap - 1, cheap) }),
    ...(asked.drift && { drift: took(cheap, ends.length) }),
  };
}
