/**
 * Policy → lookup tables, pure. An address's class says in which of the policy's sets it lies;
 * everything else is about classes. docs/classifier.md draws the whole.
 */
import { REF_VALUE_MASK, RULES_MAX, structSize } from './abi.js';
import { ClassifierError } from './error.js';
import type { AddressSet, ClassifierPolicy } from './policy.js';
import { buildRuleMatrix, type RuleMatrix } from './rule-matrix.js';
import { ClassIds, cutIntoSegments, V4_SPACE, V6_SPACE } from './segments.js';
import { buildV4Table, type V4Table } from './v4-table.js';
import { buildV6Tree, type V6Tree } from './v6-tree.js';

/** What one program set of tables may take in the kernel. */
export const TABLE_BYTES_MAX = 64 * 1024 * 1024;
/** Leaves hold classes in 16 bits. */
const CLASSES_MAX = 1 << 16;

export interface Tables {
  policy: ClassifierPolicy;
  v4: V4Table;
  v6: V6Tree;
  matrix: RuleMatrix;
  /** Bytes of everything together. */
  size: number;
}

function tooLarge(what: string): ClassifierError {
  return new ClassifierError(`the policy is too large for the ebpf classifier: ${what}`, {
    code: 'policy-too-large',
    source: 'user',
    hint: 'merge rules or sets, or write classifier: nftables',
  });
}

/** The sets that rules refer to, each once. */
function numberSets({ rules }: ClassifierPolicy): Map<AddressSet, number> {
  const sets = rules.flatMap(({ to, from }) => [to ?? [], from?.addresses ?? []].flat());
  return new Map([...new Set(sets)].map((set, i) => [set, i]));
}

function sizeOf(v4: V4Table, v6: V6Tree, matrix: RuleMatrix): number {
  const buffers = [
    v4.blocks,
    v4.refs,
    v4.pairs,
    v4.leaves,
    v6.index,
    v6.nodes,
    matrix.rows,
    matrix.portTable,
  ];
  return buffers.reduce((sum, { length }) => sum + length, 0);
}

/** @throws ClassifierError `policy-too-large` */
export function compileTables(policy: ClassifierPolicy): Tables {
  const { rules } = policy;
  if (rules.length > RULES_MAX) {
    throw tooLarge(`${rules.length} rules and guards, of ${RULES_MAX}`);
  }
  const setIndex = numberSets(policy);
  const sets = [...setIndex.keys()];
  const v4Segments = cutIntoSegments(
    V4_SPACE,
    sets.map((set) => set.v4Intervals()),
  );
  const v6Segments = cutIntoSegments(
    V6_SPACE,
    sets.map((set) => set.v6Intervals()),
  );
  const classIds = new ClassIds();
  const v4Classes = classIds.number(v4Segments);
  const v6Classes = classIds.number(v6Segments);
  const classes = classIds.members;
  if (classes.length > CLASSES_MAX) {
    throw tooLarge(`its sets overlap in ${classes.length} ways, of ${CLASSES_MAX}`);
  }
  if (v6Segments.starts.length > REF_VALUE_MASK) throw tooLarge('too many IPv6 prefixes');
  const v4 = buildV4Table({ ...v4Segments, classes: v4Classes });
  const v6 = buildV6Tree({ ...v6Segments, classes: v6Classes });
  const matrix = buildRuleMatrix(rules, classes, setIndex);
  const size = sizeOf(v4, v6, matrix);
  if (size > TABLE_BYTES_MAX) {
    const [has, of] = [size, TABLE_BYTES_MAX].map((bytes) => Math.ceil(bytes / 2 ** 20));
    const mixed = (v4.pairs.length / structSize.pair + v4.leaves.length / structSize.leaf) | 0;
    throw tooLarge(`its tables take ${has} MiB, of ${of} (${mixed} divided IPv4 /24s)`);
  }
  return { policy, v4, v6, matrix, size };
}
