/** Of a table as it is listed: which servers it hears. */
import type { RawEntry } from './listing.js';

/** The marks of servers that have heartbeats in a table, read from the rules that set them. */
export function heartbeatMarks({ raw }: { raw: readonly RawEntry[] }): number[] {
  return raw.flatMap(({ rule }) =>
    rule !== undefined && AUTHENTIC_CHAIN.test(rule.chain) ? (rule.expr ?? []).flatMap(markOf) : [],
  );
}

const AUTHENTIC_CHAIN = /^authentic(?:_\d+)?$/;

function markOf({ mangle }: Record<string, unknown>): number[] {
  const { value } = (mangle ?? {}) as { value?: unknown };
  return typeof value === 'number' ? [value] : [];
}
