/**
 * IPv4: 2 bits for each /24, kept by /16. Most /24s are of one of three classes, the palette; the
 * others escape to a reference: a class, a pair (two classes, one bit an address) or a leaf.
 * References are numbered in the order of their /24s, so their numbers need not be stored: the
 * program counts the escapes before. 4 MiB answer nearly every lookup with one memory access.
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
  /** One `struct v4_block` for each /16. */
  blocks: Buffer;
  /** 32 bits each. */
  refs: Buffer;
  pairs: Buffer;
  leaves: Buffer;
}

const NETWORKS = 1 << 24;
const BLOCKS = 1 << 16;
const CODES_PER_WORD = 16;
/** Four bytes of one code. */
const PATTERNS = [0, 0x55555555, 0xaaaaaaaa, 0xffffffff] as const;

const ref = (kind: number, value: number) => ((kind << REF_KIND_SHIFT) | value) >>> 0;

/** The last address of segment `i`. */
function lastOf(starts: ArrayLike<number>, i: number): number {
  return (starts[i + 1] ?? 2 ** 32) - 1;
}

/** The three classes that fill most /24s. */
function choosePalette({ starts, ids, classes }: ClassedSegments<number>): V4Table['palette'] {
  const filled = new Map<number, number>();
  for (let i = 0; i < starts.length; i++) {
    const whole = Math.floor((lastOf(starts, i) + 1) / 256) - Math.ceil(starts[i]! / 256);
    const id = classes[ids[i]!]!;
    if (whole > 0) filled.set(id, (filled.get(id) ?? 0) + whole);
  }
  const [a = 0, b = 0, c = 0] = [...filled].sort((x, y) => y[1] - x[1]).map(([id]) => id);
  return [a, b, c];
}

class V4Builder {
  readonly codes = new Uint32Array(NETWORKS / CODES_PER_WORD);
  readonly refs = new GrowingBuffer(4);
  readonly pairs = new GrowingBuffer(recordSize.pair);
  readonly leaves = new GrowingBuffer(recordSize.leaf);
  /** The /24 that is being put together from several segments: class of each address. */
  private readonly mixed = new Uint16Array(256);

  constructor(private readonly palette: V4Table['palette']) {}

  /** Segments come in ascending order and leave no gap. */
  add(first: number, last: number, id: number): void {
    let next = first;
    if (next % 256 !== 0) {
      const end = Math.min(last, next - (next % 256) + 255);
      this.mix(next, end, id);
      next = end + 1;
    }
    const whole = Math.floor((last + 1 - next) / 256);
    if (whole > 0) {
      this.fill(next / 256, whole, id);
      next += whole * 256;
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

  private addRef(value: number): void {
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

/** Puts the codes into blocks, with the number of escapes before. */
function layOutBlocks(codes: Uint32Array): Buffer {
  const blocks = Buffer.alloc(BLOCKS * recordSize.block);
  const words = new Uint32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4);
  const wordsPerBlock = 256 / CODES_PER_WORD;
  let escapes = 0;
  for (let block = 0; block < BLOCKS; block++) {
    const offset = block * recordSize.block;
    const firstRef = escapes;
    for (let i = 0; i < wordsPerBlock; i++) {
      // The program reads 64 bits at a time: two of these words.
      if (i % 2 === 0) blocks[offset + blockOffset.before + i / 2] = escapes - firstRef;
      const word = codes[block * wordsPerBlock + i]!;
      words[(offset + blockOffset.codes) / 4 + i] = word;
      escapes += populationCount(word & (word >>> 1) & 0x55555555);
    }
    words[(offset + blockOffset.firstRef) / 4] = firstRef;
  }
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
    blocks: layOutBlocks(builder.codes),
    refs: builder.refs.finish(),
    pairs: builder.pairs.finish(),
    leaves: builder.leaves.finish(),
  };
}
