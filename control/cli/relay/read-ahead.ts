/** What may be read ahead of receivers that stall: the default of all of it, and in words. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import * as ffi from '../../../proxy/ffi.js';
import type { Config } from '../../config/config.js';

const TCP_MEM = '/proc/sys/net/ipv4/tcp_mem';
/** Of memory; x86 and most others. */
const PAGE_BYTES = 4096;
const MIB = 1024 * 1024;
const PART = 4;
const PRESSURE_PART = 16;

/** @param text of tcp_mem, pages: low, pressure, high. @returns MiB; undefined where it cannot be read. */
export function budgetOf(text: string): number | undefined {
  const pages = Number(text.trim().split(/\s+/)[1]);
  return pages > 0 ? Math.max(1, Math.floor((pages * PAGE_BYTES) / PART / MIB)) : undefined;
}

/**
 * What a kernel that was left alone has for tcp_mem's pressure is a sixteenth of memory.
 * @param bytes of memory. @returns MiB
 */
export const budgetOfMemory = (bytes: number): number =>
  Math.max(1, Math.floor(bytes / PRESSURE_PART / PART / MIB));

/** In a network namespace of its own, as in a container, tcp_mem is not shown. @param file stands in for it in tests */
export function readAheadBudget(file = TCP_MEM): number {
  try {
    return budgetOf(readFileSync(file, 'utf8')) ?? budgetOfMemory(totalmem());
  } catch {
    return budgetOfMemory(totalmem());
  }
}

/** For the start. */
export function readAheadText({ readAhead, readAheadBudgetMib }: Config['relay']): string {
  if (readAhead === 0) return 'read-ahead of stalled connections: as the kernel likes';
  const budget = readAheadBudgetMib ?? readAheadBudget();
  const all = budget ? `${budget} MiB in all` : 'without a limit for all';
  const old = ffi.canFreeWindow()
    ? ''
    : '; this kernel has no SO_BUF_LOCK (Linux 5.14): only what waits to be sent is bounded, and clients over their share';
  return `read-ahead of stalled connections: ${Math.ceil(readAhead / 1024)} KiB each, ${all}${old}`;
}
