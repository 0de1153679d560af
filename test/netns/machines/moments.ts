/** The changes over ssh that are stopped by faults, and where `make test` stops them. */
import { sshConfig } from './config.js';
import { FAULTS, type Fault } from './faults.js';
import type { MachineNode } from './machines.js';

export const NODES = ['server1', 'router'] as const;

// No relay runs, so nothing may have to work through one.
const probed = '[]';
const mail = '  - { name: mail, proto: tcp, port: [25], action: direct }\n';
export const NEW = sshConfig({ probed, rules: mail });
export const OLD = sshConfig({ probed })
  .replace('[br-lan, lan2]', '[br-lan]')
  .replace('port: 12345', 'port: 12346');

/** What is there before, and which command is stopped with which file. */
export const CHANGES = [
  { name: 'a first apply', before: undefined, verb: 'apply', config: OLD },
  { name: 'an update', before: OLD, verb: 'apply', config: NEW },
  { name: 'a down', before: OLD, verb: 'down', config: OLD },
] as const;
export type Change = (typeof CHANGES)[number];

export interface Moment {
  change: Change;
  node: MachineNode;
  /** As `Gate` takes it. */
  at: number | string;
}

export type ChosenMoment = readonly [Fault, Change['name'], MachineNode, string];

/** What `make test` shows. A text is what `Gate` calls a moment; the first of those that begin so. */
export const SHORT: readonly ChosenMoment[] = [
  // All steps are made, and the machine has to find out by itself.
  [FAULTS.cut, 'an update', 'router', 'after nft -j -f'],
  // It goes on to its end.
  [FAULTS.killed, 'a down', 'router', 'before nft -j -f'],
];

/** One of each other kind, to be looked at without all moments; the long tests have them, too. */
export const LONGER: readonly ChosenMoment[] = [
  // Nothing is changed yet.
  [FAULTS.killed, 'an update', 'server1', 'before mkdir -p /run/sidetrack'],
  // The revert is armed on this machine, and some of its steps are made.
  [FAULTS.sessionsKilled, 'a first apply', 'router', 'after ip -4 rule add priority 1500 iif lo'],
  // The server has confirmed, and the router has not.
  [FAULTS.powerLost, 'an update', 'server1', 'after mv /run/sidetrack/change/pending'],
];
