/** What may be read ahead of receivers that stall: the default of all of it, and in words. */
import { readFileSync } from 'node:fs';
import * as ffi from '../../../proxy/ffi.js';
import type { Config } from '../../config/config.js';

const TCP_MEM = '/proc/sys/net/ipv4/tcp_mem';
/** Of memory; x86 and most others. */
const PAGE_BYTES = 4096;
const MIB = 1024 * 1024;
const PART = 4;

/** @param text of tcp_mem, pages: low, pressure, high. @returns MiB; undefined where it cannot be read. */
export function budgetOf(text: string): number | undefined {
  const pages = Number(text.trim().split(/\s+/)[1]);
  return pages > 0 ? Math.max(1, Math.floor((pages * PAGE_BYTES) / PART / MIB)) : undefined;
}

export function readAheadBudget(): number | undefined {
  try {
    return budgetOf(readFileSync(TCP_MEM, 'utf8'));
  } catch {
    return undefined;
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
