/**
 * What the rest of the machine does meanwhile. A run beside somebody else's compiler measures the
 * compiler; it is recognised by the processor time of all processes that are not ours.
 */
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100; // USER_HZ, part of the kernel's ABI
const KERNEL_THREADS = 2;

interface Process {
  parent: number;
  /** Own time and that of children that have ended, so that what ends does not vanish. */
  ticks: number;
}

/** Seconds of processor time that processes which do not descend from this one have used so far. */
export function foreignSeconds(): number {
  const processes = readProcesses();
  const ours = new Set([process.pid, KERNEL_THREADS]);
  let ticks = 0;
  for (const [pid, { ticks: used }] of processes)
    if (!descends(pid, ours, processes)) ticks += used;
  return ticks / TICKS_PER_SECOND;
}

function descends(
  pid: number,
  ancestors: ReadonlySet<number>,
  processes: ReadonlyMap<number, Process>,
): boolean {
  for (let at: number | undefined = pid; at; at = processes.get(at)?.parent)
    if (ancestors.has(at)) return true;
  return false;
}

function readProcesses(): Map<number, Process> {
  const processes = new Map<number, Process>();
  for (const name of readdirSync('/proc')) {
    const parsed = /^\d+$/.test(name) ? readProcess(name) : undefined;
    if (parsed) processes.set(Number(name), parsed);
  }
  return processes;
}

function readProcess(pid: string): Process | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // It has just ended.
  }
}

/** The name in parentheses may hold anything, so count from behind the last one: proc(5). */
export function parseStat(stat: string): Process {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const times = fields.slice(11, 15).map(Number);
  return { parent: Number(fields[1]), ticks: times.reduce((sum, one) => sum + one, 0) };
}
