/**
 * IPv6: an index by the first 16 bits, and below it search trees over the boundaries of the
 * segments, first by the upper 64 bits of the address, then, only where a segment begins inside a
 * /64, by the lower. Every node has eight ways on and fills about a cache line and a half, so
 * 100 000 prefixes are six steps if they all begin alike, and fewer the more they spread.
 */
import { nodeOffset, REF_KIND_SHIFT, refKind, structSize, TREE_DEPTH, TREE_KEYS } from './abi.js';
import { GrowingBuffer } from './growing-buffer.js';
import type { ClassedSegments } from './v4-table.js';

export interface V6Tree {
  /** A reference for each value of the first 16 bits, 32 bits each. */
  index: Buffer;
  nodes: Buffer;
}

/** An address at or above `keys[i]` and below the next key is found at `refs[i]`. */
interface Branches {
  keys: bigint[];
  refs: number[];
}

const HALF = 64n;
const HALF_MASK = (1n << HALF) - 1n;
const WAYS = TREE_KEYS + 1;

const ref = (kind: number, value: number) => ((kind << REF_KIND_SHIFT) | value) >>> 0;

class TreeBuilder {
  readonly nodes = new GrowingBuffer(structSize.node);
  private depth = 0;
  /** The deepest tree of each kind; an address passes through one of both. */
  readonly depths = { high: 0, low: 0 };

  /** Reference to the root of a tree over `branches`. */
  build(branches: Branches, half: 'high' | 'low'): number {
    this.depth = 0;
    let level = branches;
    while (level.refs.length > 1) level = this.buildLevel(level);
    this.depths[half] = Math.max(this.depths[half], this.depth);
    return level.refs[0]!;
  }

  private buildLevel({ keys, refs }: Branches): Branches {
    const above: Branches = { keys: [], refs: [] };
    for (let i = 0; i < refs.length; i += WAYS) {
      above.keys.push(keys[i]!);
      above.refs.push(this.addNode(keys.slice(i + 1, i + WAYS), refs.slice(i, i + WAYS)));
    }
    this.depth++;
    return above;
  }

  private addNode(keys: readonly bigint[], refs: readonly number[]): number {
    const { view, offset, index } = this.nodes.add();
    for (let i = 0; i < TREE_KEYS; i++) {
      view.setBigUint64(offset + nodeOffset.key + 8 * i, keys[i] ?? HALF_MASK, true);
    }
    for (let i = 0; i < WAYS; i++) {
      view.setUint32(offset + nodeOffset.ref + 4 * i, refs[i] ?? refs.at(-1)!, true);
    }
    return ref(refKind.node, index);
  }
}

/** Moves a reference to a node into the kind that switches to the low half. */
function lowRef(root: number): number {
  return ref(refKind.low, root & ~(3 << REF_KIND_SHIFT));
}

/** The branches by upper half, with a tree below where a segment begins inside a /64. */
function splitHalves(segments: ClassedSegments<bigint>, builder: TreeBuilder): Branches {
  const { starts, ids, classes } = segments;
  const upper: Branches = { keys: [], refs: [] };
  let current = ref(refKind.class, 0);
  for (let i = 0; i < starts.length; ) {
    const high = starts[i]! >> HALF;
    const lower: Branches = { keys: [0n], refs: [current] };
    for (; i < starts.length && starts[i]! >> HALF === high; i++) {
      const low = starts[i]! & HALF_MASK;
      current = ref(refKind.class, classes[ids[i]!]!);
      if (low === 0n) {
        lower.refs[0] = current;
      } else {
        lower.keys.push(low);
        lower.refs.push(current);
      }
    }
    upper.keys.push(high);
    if (lower.refs.length === 1) {
      upper.refs.push(current);
      continue;
    }
    upper.refs.push(lowRef(builder.build(lower, 'low')));
    // The next /64 is of one class again, unless it has boundaries of its own.
    const following = i < starts.length ? starts[i]! >> HALF : undefined;
    if (high !== HALF_MASK && following !== high + 1n) {
      upper.keys.push(high + 1n);
      upper.refs.push(current);
    }
  }
  return upper;
}

const INDEX_SIZE = 1 << 16;
const INDEX_SHIFT = 48n;

/** A tree for each value of the first 16 bits; most are one reference. */
function buildIndex({ keys, refs }: Branches, builder: TreeBuilder): Uint32Array {
  const index = new Uint32Array(INDEX_SIZE);
  let next = 0;
  for (let top = 0; top < INDEX_SIZE; top++) {
    const start = BigInt(top) << INDEX_SHIFT;
    const below: Branches = { keys: [], refs: [] };
    // What began before goes on; it is a class, for a divided /64 ends with itself.
    if (keys[next] !== start) {
      below.keys.push(start);
      below.refs.push(refs[next - 1]!);
    }
    for (; next < keys.length && keys[next]! >> INDEX_SHIFT === BigInt(top); next++) {
      below.keys.push(keys[next]!);
      below.refs.push(refs[next]!);
    }
    index[top] = builder.build(below, 'high');
  }
  return index;
}

export function buildV6Tree(segments: ClassedSegments<bigint>): V6Tree {
  const builder = new TreeBuilder();
  const index = buildIndex(splitHalves(segments, builder), builder);
  const { high, low } = builder.depths;
  if (high + low > TREE_DEPTH) throw new RangeError(`IPv6 tree of depth ${high + low}`);
  return { index: Buffer.from(index.buffer), nodes: builder.nodes.finish() };
}
