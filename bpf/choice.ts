/** Groups of targets as the program reads them: `choices` of maps.h. */
import {
  CHOICE_LEVELS,
  CHOICE_ROOM,
  CHOICE_SLOTS,
  choiceOffset,
  structSize,
  TABLES_PER_GROUP,
  TARGETS_MAX,
} from './abi.js';

/** Numbers of targets; what control/policy/choice.ts makes has this shape. */
export interface ChoiceTable {
  /** Who has each slot, at most CHOICE_LEVELS times; none where there is no choice. */
  levels: readonly ArrayLike<number>[];
  /** All of them, in the order of the configuration. */
  order: readonly number[];
}

/** The tables to try, in turn, at most two for each family. */
export interface TargetGroup {
  v4: readonly ChoiceTable[];
  v6: readonly ChoiceTable[];
}

const TABLES_PER_FAMILY = TABLES_PER_GROUP / 2;

function tableBytes({ levels, order }: ChoiceTable): Buffer {
  const bytes = Buffer.alloc(structSize.choice);
  if (order.length > TARGETS_MAX) throw new RangeError(`${order.length} targets in a group`);
  bytes.writeUInt32LE(order.length);
  bytes.set(order, choiceOffset.order);
  for (let level = 0; level < CHOICE_LEVELS; level++) {
    // Where there are fewer levels the last one again: what was not fit is not fit.
    const slots = levels[Math.min(level, levels.length - 1)] ?? [];
    const start = choiceOffset.slots + level * CHOICE_ROOM;
    for (let slot = 0; slot < CHOICE_SLOTS; slot++) bytes[start + slot] = slots[slot] ?? order[0]!;
  }
  return bytes;
}

function familyBytes(tables: readonly ChoiceTable[]): Buffer[] {
  if (tables.length > TABLES_PER_FAMILY)
    throw new RangeError(`${tables.length} tables of a family`);
  return Array.from({ length: TABLES_PER_FAMILY }, (_, i) => {
    const table = tables[i];
    return table === undefined ? Buffer.alloc(structSize.choice) : tableBytes(table);
  });
}

/** The elements of `choices`, one behind the other. */
export function choiceBytes(groups: readonly TargetGroup[]): Buffer {
  return Buffer.concat(groups.flatMap(({ v4, v6 }) => [...familyBytes(v4), ...familyBytes(v6)]));
}
