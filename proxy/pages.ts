/** The engine's counter pages, less what earlier owners of a slot have counted there. */
import {
  COUNTERS_SIZE,
  ROUTE_COUNTERS_OFFSET,
  ROUTE_COUNTERS_SIZE,
  UPSTREAM_COUNTERS_OFFSET,
  UPSTREAM_COUNTERS_SIZE,
} from './abi.js';
import * as ffi from './ffi.js';

/** By where it begins in a page, a copy of each thread's. */
export type Picture = Map<number, Buffer[]>;

/** Nothing counts in a slot while it changes hands, so what is subtracted is exact. */
export class Pages {
  readonly #pages: Buffer[];
  /** What to subtract. */
  readonly #before: Picture = new Map();

  constructor(
    private readonly handle: ffi.Handle,
    threads: number,
  ) {
    this.#pages = Array.from({ length: threads }, () => Buffer.alloc(COUNTERS_SIZE));
  }

  read(): readonly Buffer[] {
    this.#readEngine();
    for (const [start, before] of this.#before)
      before.forEach((values, thread) => {
        const page = this.#pages[thread]!;
        for (let at = 0; at < values.length; at += 8)
          page.writeBigUInt64LE(
            BigInt.asUintN(64, page.readBigUInt64LE(start + at) - values.readBigUInt64LE(at)),
            start + at,
          );
      });
    return this.#pages;
  }

  /** What these idle slots have counted. */
  picture(upstreams: readonly number[], routes: readonly number[]): Picture {
    const picture: Picture = new Map();
    if (upstreams.length + routes.length === 0) return picture;
    this.#readEngine();
    const take = (start: number, size: number) => {
      const copies = this.#pages.map((page) => Buffer.from(page.subarray(start, start + size)));
      picture.set(start, copies);
    };
    for (const slot of upstreams)
      take(UPSTREAM_COUNTERS_OFFSET + slot * UPSTREAM_COUNTERS_SIZE, UPSTREAM_COUNTERS_SIZE);
    for (const slot of routes)
      take(ROUTE_COUNTERS_OFFSET + slot * ROUTE_COUNTERS_SIZE, ROUTE_COUNTERS_SIZE);
    return picture;
  }

  /** From that picture on its slots count from zero. */
  startAnew(picture: Picture): void {
    for (const [start, copies] of picture) this.#before.set(start, copies);
  }

  #readEngine(): void {
    this.#pages.forEach((page, thread) => {
      ffi.readCounters(this.handle, thread, page);
    });
  }
}
