/**
 * IPv4, in two levels: a block for each /16, and in a block 2 bits for each /24. Most /24s are of
 * one of three classes, the palette; the others escape to a reference: a class, a pair (two classes,
 * one bit an address) or a leaf. A block's references follow each other in the order of its /24s,
 * so only the first one's number is stored: the program counts the escapes before.
 *
 * Every /16 has its block, 5 MiB for any policy: an index of blocks would let small policies share
 * them, but cost every lookup one more access that depends on the one before.
 */
import {
  blockOffset,
  CODE_ESCAPE,
  pairOffset,
  REF_KIND_SHIFT,
  refKind,
  structSize,
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
  /** One for each /16. */
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
  readonly pairs = new GrowingBuffer(structSize.pair);
  readonly leaves = new GrowingBuffer(structSize.leaf);
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

/** A block whose references begin at `firstRef`. */
function makeBlock(codes: Uint32Array, firstRef: number): Buffer {
  const block = Buffer.alloc(structSize.block);
  let escapes = 0;
  block.writeUInt32LE(firstRef, blockOffset.firstRef);
  codes.forEach((word, i) => {
    // The program reads 64 bits at a time: two of these words.
    if (i % 2 === 0) block.writeUInt8(escapes, blockOffset.before + i / 2);
    block.writeUInt32LE(word, blockOffset.codes + 4 * i);
    escapes += populationCount(word & (word >>> 1) & 0x55555555);
  });
  return block;
}

function countEscapes(codes: Uint32Array): number {
  return codes.reduce((sum, word) => sum + populationCount(word & (word >>> 1) & 0x55555555), 0);
}

/** The block of every /16 that is all of one class; those outside the palette share references. */
function makeUniformBlock(builder: V4Builder, id: number): Buffer {
  const code = builder.palette.indexOf(id);
  const codes = new Uint32Array(WORDS_PER_BLOCK).fill(PATTERNS[code < 0 ? CODE_ESCAPE : code]!);
  const block = makeBlock(codes, builder.refs.length);
  if (code < 0) for (let i = 0; i < 256; i++) builder.addRef(ref(refKind.class, id));
  return block;
}

/** References of blocks of several classes are there already, in the order of their /24s. */
function layOutBlocks(builder: V4Builder): Buffer {
  const { blockClasses, codes } = builder;
  const blocks = Buffer.alloc(BLOCKS * structSize.block);
  const uniform = new Map<number, Buffer>();
  let refs = 0;
  blockClasses.forEach((id, number) => {
    let block = uniform.get(id);
    if (id === SEVERAL) {
      const first = number * WORDS_PER_BLOCK;
      const own = codes.subarray(first, first + WORDS_PER_BLOCK);
      block = makeBlock(own, refs);
      refs += countEscapes(own);
    } else if (block === undefined) {
      block = makeUniformBlock(builder, id);
      uniform.set(id, block);
    }
    block.copy(blocks, number * structSize.block);
  });
  return blocks;
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
    blocks: layOutBlocks(builder),
    refs: builder.refs.finish(),
    pairs: builder.pairs.finish(),
    leaves: builder.leaves.finish(),
  };
}
