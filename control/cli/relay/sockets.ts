/**
 * Listening sockets that this process was born with: from the service manager (sd_listen_fds(3)) or
 * from the relay that ran before it. Both count up from descriptor 3.
 */

import { z } from 'zod';
import { readContract } from '../../contract.js';

const FIRST_DESCRIPTOR = 3;
/** The process that may hand us sockets without knowing our number before we exist. */
const PREDECESSOR = 'SIDETRACK_PREDECESSOR';
/** What the names of its upstreams stood for when it started us: JSON. */
const ADDRESSES = 'SIDETRACK_ADDRESSES';

const knownAddresses = z.record(z.string(), z.array(z.string()).readonly());

/** By name. */
export type KnownAddresses = z.output<typeof knownAddresses>;

export interface Inheritance {
  sockets: readonly number[];
  /** True when a relay waits for us to take over. */
  hasPredecessor: boolean;
  /** Should the resolver fail just now. */
  addresses: KnownAddresses;
}

/** Says which socket it is: systemd gives them back in no order. */
export const socketName = (index: number) => `relay-${index}`;

/** Takes the announcement out of `env`, so that no child believes it is meant. */
export function takeInheritance(env: NodeJS.ProcessEnv = process.env): Inheritance {
  const hasPredecessor = env[PREDECESSOR] === String(process.ppid);
  const isOurs = hasPredecessor || env.LISTEN_PID === String(process.pid);
  const count = isOurs ? Number(env.LISTEN_FDS ?? 0) : 0;
  const names = env.LISTEN_FDNAMES?.split(':') ?? [];
  const addresses = hasPredecessor ? readAddresses(env[ADDRESSES]) : {};
  for (const name of [PREDECESSOR, ADDRESSES, 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'])
    delete env[name];
  const sockets = descriptors(Number.isSafeInteger(count) ? count : 0);
  const order = (fd: number) => orderOf(names[fd - FIRST_DESCRIPTOR]);
  return { sockets: sockets.sort((a, b) => order(a) - order(b)), hasPredecessor, addresses };
}

/** They are for the case that the resolver fails: of another shape, as of another version, they are not known. */
function readAddresses(text = '{}'): KnownAddresses {
  const read = readContract(text, knownAddresses);
  return 'value' in read ? read.value : {};
}

/** The environment of a successor that inherits `count` sockets; LISTEN_PID cannot be known yet. */
export function successorEnvironment(count: number, addresses: KnownAddresses): NodeJS.ProcessEnv {
  const { WATCHDOG_PID: _ours, ...env } = process.env;
  return {
    ...env,
    [PREDECESSOR]: String(process.pid),
    [ADDRESSES]: JSON.stringify(addresses),
    LISTEN_FDS: String(count),
    LISTEN_FDNAMES: Array.from({ length: count }, (_, i) => socketName(i)).join(':'),
  };
}

/** Those of a socket unit have other names and stay in their order, behind ours. */
function orderOf(name: string | undefined): number {
  const index = /^relay-(\d+)$/.exec(name ?? '');
  return index ? Number(index[1]) : Number.MAX_SAFE_INTEGER;
}

function descriptors(count: number): number[] {
  return Array.from({ length: Math.max(count, 0) }, (_, i) => FIRST_DESCRIPTOR + i);
}
