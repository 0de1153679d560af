import type { Readable } from 'node:stream';
export declare function pseudoRandom(count: number): Readable;
export declare function pseudoRandomDigest(count: number): string;
