/** What a flood with a window has sent, and what became of it: the maps of flood.bpf.c. */
import { lookupElement, updateElement } from '../../../bpf/map.js';
import type { BpfObject } from '../../../bpf/object.js';

/** What has not arrived after so long is lost. */
const PATIENCE_MS = 1000;

/** Packets by where they arrived. */
export interface Arrivals {
  sent: number;
  /** At server1, and meant for it. */
  server: number;
  /** On the Internet, and meant for it. */
  internet: number;
  /** At server1, but meant for the Internet. */
  strayed: number;
  /** The other way round. */
  escaped: number;
}

/** In the order of the map `arrived`. */
const SINKS = ['server', 'strayed', 'escaped', 'internet'] as const;

const keyOf = (index: number) => Buffer.from(Uint32Array.of(index).buffer);
const numberAt = (fd: number, index: number) =>
  Number(lookupElement(fd, keyOf(index), 8)!.readBigUInt64LE());

export class Traffic {
  private readonly sentFd: number;
  private readonly writtenOffFd: number;
  /** The sinks have counted other floods before. */
  private readonly before: readonly number[];
  private lost = 0;
  private last = 0;
  private since = performance.now();

  constructor(
    object: BpfObject,
    private readonly arrivedFd: number,
  ) {
    this.sentFd = object.mapDescriptor('sent');
    this.writtenOffFd = object.mapDescriptor('written_off');
    this.before = this.counts();
    this.writeOff(0);
  }

  get sent(): number {
    return numberAt(this.sentFd, 0);
  }

  /** Packets under way. Those that have been for too long are written off: the flood goes on. */
  underWay(): number {
    const arrived = this.counts().reduce((sum, one, i) => sum + one - this.before[i]!, 0);
    if (arrived !== this.last) [this.last, this.since] = [arrived, performance.now()];
    const left = this.sent - arrived - this.lost;
    if (left <= 0 || performance.now() - this.since < PATIENCE_MS) return left;
    this.writeOff(this.lost + left);
    return 0;
  }

  arrivals(): Arrivals {
    const counts = this.counts().map((count, i) => [SINKS[i]!, count - this.before[i]!]);
    return { sent: this.sent, ...Object.fromEntries(counts) } as Arrivals;
  }

  private counts(): number[] {
    return SINKS.map((_, index) => numberAt(this.arrivedFd, index));
  }

  private writeOff(lost: number): void {
    this.lost = lost;
    const value = Buffer.alloc(8);
    value.writeBigInt64LE(BigInt(lost - this.before.reduce((sum, one) => sum + one, 0)));
    updateElement(this.writtenOffFd, keyOf(0), value);
  }
}
