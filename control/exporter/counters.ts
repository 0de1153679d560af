/** What the rules counted, by what it means: the same with both classifiers. */
import type { RouterState } from '../../monitoring/state.js';
import type { RuleCounter } from '../apply/rule-counters.js';
import type { CountedRule } from '../nft/counted-rules.js';
import { FAILURE_COMMENT } from '../nft/flow-table.js';
import { steerChainName } from '../nft/flow-target.js';
import { RESET_COMMENT } from '../nft/steering.js';
import { GUARDS } from '../policy/guard.js';
import type { Sums } from './resets.js';

interface Count {
  packets: number;
  bytes: number;
}

/** nftables has these two in one rule. */
const SAME_GUARD: Readonly<Record<string, string>> = { multicast: 'local', broadcast: 'local' };
const GUARD = /^guard:(.*)$/;
/** No others: each would be one more series, and a router could make them up. nftables has fragments apart. */
const KNOWN_GUARDS: ReadonlySet<string> = new Set([...GUARDS, 'fragment']);

export class Counters {
  readonly #sums: Sums;
  readonly #parts: readonly CountedRule[];

  /** @param classifier of the eBPF classifier, where it judges; its counters begin anew all at once. */
  constructor(sums: Sums, rules: readonly CountedRule[], classifier: readonly RuleCounter[] = []) {
    this.#sums = sums;
    this.#parts = [
      ...classifier.map(({ rule, packets, bytes = 0 }) => ({
        id: `ebpf ${rule}`,
        chain: '',
        comment: rule,
        packets,
        bytes,
      })),
      ...rules,
    ];
  }

  /** Of rules with these comments together; undefined where there is none. @param series names the sum @param chain of that chain alone */
  sum(series: string, comments: readonly string[], chain?: string): Count | undefined {
    const parts = this.#parts.filter(
      (part) => comments.includes(part.comment) && (chain === undefined || part.chain === chain),
    );
    if (parts.length === 0) return undefined;
    const of = (what: 'packets' | 'bytes') =>
      this.#sums.next(
        `${what} ${series}`,
        parts.map((part) => ({ id: part.id, value: part[what] })),
      );
    return { packets: of('packets'), bytes: of('bytes') };
  }

  /** Packets, of what may not be there. */
  #packets(series: string): number {
    return this.sum(series, [series])?.packets ?? 0;
  }

  steeredAndRefused(): Pick<RouterState, 'steered' | 'onFailure'> {
    const noneAlive = this.sum('none alive', [FAILURE_COMMENT.dead, FAILURE_COMMENT.held]);
    const noServer = this.sum(FAILURE_COMMENT.noServer, [FAILURE_COMMENT.noServer]);
    return {
      steered: this.sum('steered', ['steered']) ?? { packets: 0, bytes: 0 },
      onFailure: {
        full: this.#packets(FAILURE_COMMENT.full),
        overShare: this.#packets(FAILURE_COMMENT.overShare),
        noRoute: this.#packets(FAILURE_COMMENT.noRoute),
        ...(noServer && { noServer: noServer.packets }),
        ...(noneAlive && { noneAlive: noneAlive.packets }),
      },
    };
  }

  /** What nftables counts of a target: its number names the chain. */
  ofTarget(number: number): { steered?: Count | undefined; resets?: number | undefined } {
    const chain = steerChainName(number);
    const steered = this.sum(`steered ${chain}`, ['steered'], chain);
    const resets = this.sum(`resets ${chain}`, [RESET_COMMENT], chain);
    return { ...(steered && { steered }), ...(resets && { resets: resets.packets }) };
  }

  guards(): RouterState['guards'] {
    const comments = new Map<string, string[]>();
    for (const { comment } of this.#parts) {
      const name = GUARD.exec(comment)?.[1];
      if (name === undefined || !KNOWN_GUARDS.has(name)) continue;
      const shown = SAME_GUARD[name] ?? name;
      comments.set(shown, [...(comments.get(shown) ?? []), comment]);
    }
    const counts = [...comments].map(([name, all]) => [
      name,
      this.sum(`guard ${name}`, all)?.packets ?? 0,
    ]);
    return Object.fromEntries(counts);
  }
}
