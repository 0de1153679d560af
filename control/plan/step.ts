/** What a plan is made of. */
import type { Command } from '../command/command.js';
import type { Path } from '../config/raw.js';

/** One thing that changes on one host. */
export interface Step extends Command {
  /** `router` or the server's name. */
  host: string;
  /** What it is for, in a few words. */
  title: string;
  /** Puts back what the step changed, in this order. */
  undo: Command[];
  /** Prints what it changes: the same before it and after `undo`; for a host that reverts it by itself. */
  readBack?: Command[];
  /** What it wrote down is still needed while anything else on the host is not put back. */
  remembers?: true;
  /** It is for the next boot, and comes when the change before it is kept for good. */
  afterConfirm?: true;
  /** No packet depends on it: where it fails, the others go on. */
  optional?: Optional;
  /**
   * Sets of a transaction that do not exist before it. Where it is too long for one, they may be
   * filled ahead of it: nothing refers to them yet.
   */
  freshSets?: string[];
}

/** As data for other programs, which need no more than that a step is optional; secrets are not shown. */
export function stepData({ optional, readBack: _, ...step }: Step) {
  return {
    ...shown(step),
    undo: step.undo.map(shown),
    ...(optional && { optional: true }),
  };
}

/** Tags of heartbeats as nft reads them, and keys in what the classifier and the state file are told. */
const SECRETS = /"0x[0-9a-f]{17,32}"|("(?:tag|siphashKey|key)":\s*)"[0-9a-f]{32,64}"/g;

function shown<C extends Command>({ isSecret, ...command }: C) {
  if (isSecret) return { ...command, stdin: '<secret>' };
  const { stdin } = command;
  if (stdin === undefined) return command;
  return { ...command, stdin: stdin.replace(SECRETS, (_, key = '') => `${key}"<secret>"`) };
}

/** What to say where an optional step failed. */
export interface Optional {
  /** The setting that asks for it. */
  setting: Path;
  hint: string;
}
