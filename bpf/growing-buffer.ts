/** Records of one size, appended one by one; machine byte order is little-endian throughout. */
export class GrowingBuffer {
  private buffer = Buffer.alloc(64 * 1024);
  private view = new DataView(this.buffer.buffer, this.buffer.byteOffset);
  private count = 0;

  constructor(private readonly recordSize: number) {}

  /** A new record of zeros: where to write it, and its index. */
  add(): { view: DataView; offset: number; index: number } {
    const index = this.count++;
    const offset = index * this.recordSize;
    if (offset + this.recordSize > this.buffer.length) this.grow();
    return { view: this.view, offset, index };
  }

  get length(): number {
    return this.count;
  }

  /** All records; nothing may be added after this. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.count * this.recordSize);
  }

  private grow(): void {
    const larger = Buffer.alloc(2 * this.buffer.length);
    this.buffer.copy(larger);
    this.buffer = larger;
    this.view = new DataView(larger.buffer, larger.byteOffset);
  }
}
