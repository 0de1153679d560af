/**
 * IPv4, in two levels: a block for each /16, and in a block 2 bits for each /24. Most /24s are of
 * one of three classes, the palette; the others escape to a reference: a class, a pair (two classes,
 * one bit an address) or a leaf. A block's references follow each other in the order of its /24s,
 * so only the first one's number is stored: the program counts the escapes before.
 *
 * /16s of one class share a block, so small policies make small tables. The index could name their
 * class instead, but then every lookup would begin with a branch that is hard to predict.
 */
import {
  blockOffset,
  CODE_ESCAPE,
  pairOffset,
  REF_KIND_SHIFT,
  recordSize,
  refKind,
} from './abi.js';
import { GrowingBuffer } from './growing-buffer.js';

/** Segment `i` reaches from `starts[i]` to the next start and is of class `classes[ids[i]]`. */
export interface ClassedSegments<T> {
  starts: ArrayLike<T>;
  ids: ArrayLike<number>;
  classes: Uint32Array;
}

export interface V4Table {
  palette: [number, number, number];
  /** Number of the block of each /16, 32 bits each. */
  index: Buffer;
  blocks: Buffer;
  /** 32 bits each. */
  refs: Buffer;
  pairs: Buffer;
  leaves: Buffer;
}

const NETWORKS = 1 << 24;
/** A /16 of several classes; no class has this number. */
const SEVERAL = 0xffffffff;
const BLOCKS = 1 << 16;
const CODES_PER_WORD = 16;
/** Four bytes of one code. */
const PATTERNS = [0, 0x55555555, 0xaaaaaaaa, 0xffffffff] as const;

const ref = (kind: number, value: number) => ((kind << REF_KIND_SHIFT) | value) >>> 0;

/** The last address of segment `i`. */
function lastOf(starts: ArrayLike<number>, i: number): number {
  return (starts[i + 1] ?? 2 ** 32) - 1;
}

const NETWORK_SIZE = 1 << 8;
const BLOCK_SIZE = 1 << 16;

/** Number of the first whole unit of `size` at or above `first`, and of the first one beyond. */
const firstWhole = (first: number, size: number) => Math.ceil(first / size);
const endOfWhole = (last: number, size: number) => Math.floor((last + 1) / size);

function wholeUnits(first: number, last: number, size: number): number {
  return Math.max(0, endOfWhole(last, size) - firstWhole(first, size));
}

/** The three classes that fill most /24s. */
function choosePalette({ starts, ids, classes }: ClassedSegments<number>): V4Table['palette'] {
  const filled = new Map<number, number>();
  for (let i = 0; i < starts.length; i++) {
    const count = wholeUnits(starts[i]!, lastOf(starts, i), NETWORK_SIZE);
    const id = classes[ids[i]!]!;
    if (count > 0) filled.set(id, (filled.get(id) ?? 0) + count);
  }
  const [a = 0, b = 0, c = 0] = [...filled].sort((x, y) => y[1] - x[1]).map(([id]) => id);
  return [a, b, c];
}

class V4Builder {
  /** The class of each /16, or SEVERAL. */
  readonly blockClasses = new Uint32Array(BLOCKS).fill(SEVERAL);
  readonly codes = new Uint32Array(NETWORKS / CODES_PER_WORD);
  readonly refs = new GrowingBuffer(4);
  readonly pairs = new GrowingBuffer(recordSize.pair);
  readonly leaves = new GrowingBuffer(recordSize.leaf);
  /** The /24 that is being put together from several segments: class of each address. */
  private readonly mixed = new Uint16Array(256);

  constructor(readonly palette: V4Table['palette']) {}

  /** Segments come in ascending order and leave no gap. */
  add(first: number, last: number, id: number): void {
    const begin = firstWhole(first, BLOCK_SIZE);
    const end = endOfWhole(last, BLOCK_SIZE);
    if (begin >= end) {
      this.addToBlocks(first, last, id);
      return;
    }
    if (first < begin * BLOCK_SIZE) this.addToBlocks(first, begin * BLOCK_SIZE - 1, id);
    this.blockClasses.fill(id, begin, end);
    if (end * BLOCK_SIZE <= last) this.addToBlocks(end * BLOCK_SIZE, last, id);
  }

  private addToBlocks(first: number, last: number, id: number): void {
    let next = first;
    if (next % NETWORK_SIZE !== 0) {
      const end = Math.min(last, firstWhole(next, NETWORK_SIZE) * NETWORK_SIZE - 1);
      this.mix(next, end, id);
      next = end + 1;
    }
    const whole = wholeUnits(next, last, NETWORK_SIZE);
    if (whole > 0) {
      this.fill(next / NETWORK_SIZE, whole, id);
      next += whole * NETWORK_SIZE;
    }
    if (next <= last) this.mix(next, last, id);
  }

  private mix(first: number, last: number, id: number): void {
    this.mixed.fill(id, first % 256, (last % 256) + 1);
    if (last % 256 === 255) this.finishMixed(Math.floor(last / 256));
  }

  private finishMixed(network: number): void {
    const [a] = this.mixed;
    const b = this.mixed.find((id) => id !== a)!;
    const isPair = this.mixed.every((id) => id === a || id === b);
    this.setCodes(network, 1, CODE_ESCAPE);
    this.addRef(isPair ? this.addPair(a!, b) : this.addLeaf());
  }

  private addPair(a: number, b: number): number {
    const { view, offset, index } = this.pairs.add();
    view.setUint32(offset + pairOffset.class, a, true);
    view.setUint32(offset + pairOffset.class + 4, b, true);
    for (let i = 0; i < 256; i++) {
      if (this.mixed[i] !== b) continue;
      const byte = offset + pairOffset.bits + (i >> 3);
      view.setUint8(byte, view.getUint8(byte) | (1 << (i & 7)));
    }
    return ref(refKind.pair, index);
  }

  private addLeaf(): number {
    const { view, offset, index } = this.leaves.add();
    for (let i = 0; i < 256; i++) view.setUint16(offset + 2 * i, this.mixed[i]!, true);
    return ref(refKind.leaf, index);
  }

  addRef(value: number): void {
    const { view, offset } = this.refs.add();
    view.setUint32(offset, value, true);
  }

  /** `count` whole /24s of one class. */
  private fill(network: number, count: number, id: number): void {
    const code = this.palette.indexOf(id);
    if (code >= 0) {
      this.setCodes(network, count, code);
      return;
    }
    this.setCodes(network, count, CODE_ESCAPE);
    for (let i = 0; i < count; i++) this.addRef(ref(refKind.class, id));
  }

  private setCodes(first: number, count: number, code: number): void {
    const end = first + count;
    let network = first;
    for (; network < end && network % CODES_PER_WORD !== 0; network++) this.setCode(network, code);
    const whole = Math.floor((end - network) / CODES_PER_WORD);
    if (whole > 0) {
      const word = network / CODES_PER_WORD;
      this.codes.fill(PATTERNS[code]!, word, word + whole);
      network += whole * CODES_PER_WORD;
    }
    for (; network < end; network++) this.setCode(network, code);
  }

  private setCode(network: number, code: number): void {
    this.codes[network >>> 4]! |= code << ((network & 15) * 2);
  }
}

function populationCount(value: number): number {
  let v = value - ((value >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

const WORDS_PER_BLOCK = BLOCK_SIZE / NETWORK_SIZE / CODES_PER_WORD;

/** Writes a block whose references begin at `firstRef`; returns how many it has. */
function layOutBlock(blocks: GrowingBuffer, codes: Uint32Array, firstRef: number): number {
  const { view, offset } = blocks.add();
  let escapes = 0;
  view.setUint32(offset + blockOffset.firstRef, firstRef, true);
  codes.forEach((word, i) => {
    // The program reads 64 bits at a time: two of these words.
    if (i % 2 === 0) view.setUint8(offset + blockOffset.before + i / 2, escapes);
    view.setUint32(offset + blockOffset.codes + 4 * i, word, true);
    escapes += populationCount(word & (word >>> 1) & 0x55555555);
  });
  return escapes;
}

/** Blocks of several classes first, in order, as their references are; then the shared ones. */
function layOutBlocks(builder: V4Builder): Pick<V4Table, 'index' | 'blocks'> {
  const { blockClasses, codes, palette } = builder;
  const blocks = new GrowingBuffer(recordSize.block);
  const index = new Uint32Array(BLOCKS);
  let refs = 0;
  blockClasses.forEach((id, block) => {
    if (id !== SEVERAL) return;
    index[block] = blocks.length;
    const first = block * WORDS_PER_BLOCK;
    refs += layOutBlock(blocks, codes.subarray(first, first + WORDS_PER_BLOCK), refs);
  });
  const shared = new Map<number, number>();
  blockClasses.forEach((id, block) => {
    if (id === SEVERAL) return;
    let number = shared.get(id);
    if (number === undefined) {
      number = blocks.length;
      shared.set(id, number);
      const code = palette.indexOf(id);
      const pattern = PATTERNS[code < 0 ? CODE_ESCAPE : code]!;
      const escapes = layOutBlock(blocks, new Uint32Array(WORDS_PER_BLOCK).fill(pattern), refs);
      for (let i = 0; i < escapes; i++) builder.addRef(ref(refKind.class, id));
      refs += escapes;
    }
    index[block] = number;
  });
  return { index: Buffer.from(index.buffer), blocks: blocks.finish() };
}

export function buildV4Table(segments: ClassedSegments<number>): V4Table {
  const { starts, ids, classes } = segments;
  const palette = choosePalette(segments);
  const builder = new V4Builder(palette);
  for (let i = 0; i < starts.length; i++) {
    builder.add(starts[i]!, lastOf(starts, i), classes[ids[i]!]!);
  }
  return {
    palette,
    ...layOutBlocks(builder),
    refs: builder.refs.finish(),
    pairs: builder.pairs.finish(),
    leaves: builder.leaves.finish(),
  };
}
