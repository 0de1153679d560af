/** Structs of one size, appended one by one; machine byte order is little-endian throughout. */
export class GrowingBuffer {
  private buffer = Buffer.alloc(64 * 1024);
  private view = new DataView(this.buffer.buffer, this.buffer.byteOffset);
  private count = 0;

  constructor(private readonly structSize: number) {}

  /** A new struct of zeros: where to write it, and its index. */
  add(): { view: DataView; offset: number; index: number } {
    const index = this.count++;
    const offset = index * this.structSize;
    if (offset + this.structSize > this.buffer.length) this.grow();
    return { view: this.view, offset, index };
  }

  get length(): number {
    return this.count;
  }

  /** All of them; nothing may be added after this. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.count * this.structSize);
  }

  private grow(): void {
    const larger = Buffer.alloc(2 * this.buffer.length);
    this.buffer.copy(larger);
    this.buffer = larger;
    this.view = new DataView(larger.buffer, larger.byteOffset);
  }
}
