/** What stands in the file of a lab that outlives the command that started it. */
import { z } from 'zod';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { MOST_SERVERS } from './topology.js';

export const ENTRY_VERSION = 1;

const labEntry = z.object({
  /** Before there were versions the shape was the same. */
  version: z.literal(ENTRY_VERSION).default(ENTRY_VERSION),
  /** PID of the lab's init. One that means more than one process must never get a signal. */
  pid: z.int().min(2),
  userNamespace: z.boolean(),
  /** How many; before they could be chosen there was one. */
  servers: z.int().min(1).max(MOST_SERVERS).default(1),
  /** Where `pid` means that process: inside a lab the same number is another one, or none. */
  pidNamespace: z.string().exactOptional(),
});

export type LabEntry = z.output<typeof labEntry>;

/** @throws SidetrackError `lab-damaged` */
export function parseLabEntry(path: string, text: string): LabEntry {
  const read = readContract(text, labEntry);
  if ('value' in read) return read.value;
  throw new SidetrackError(`${path} is no lab that this sidetrack can enter: ${read.problem}`, {
    code: 'lab-damaged',
    source: 'host',
    hint: read.isVersion
      ? 'end that lab with the sidetrack that started it'
      : `if no lab runs any more: rm ${path}`,
  });
}
