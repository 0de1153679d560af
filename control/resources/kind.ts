/**
 * What sidetrack sets up on a host comes in kinds: routes, rules, files and so on. Each kind is one file
 * in this folder and one line in `registry.ts`. Pure: a kind compares data and makes commands.
 */
import type { Command } from '../command/command.js';
import type { Query } from '../command/query.js';
import type { Difference, Resource } from '../plan/difference.js';
import type { HostState, ObservedFrom, ObservedHost, SavedState } from '../plan/state.js';
import type { Step } from '../plan/step.js';

/** `Change` is what the kind needs to know of one difference. */
export interface ResourceKind<Desired = unknown, Change = unknown> {
  /** What it is called in the kernel or in its tool: `route`, `nft table`. */
  readonly name: string;
  /** What the host is asked, and what of it the answers say. */
  observe(host: ObservedFrom): Query<Partial<ObservedHost>>;
  /** What the host should have of it. */
  desired(state: HostState): Desired;
  /** What differs, in the order in which it is to change; nothing when the host is as desired. */
  diff(desired: Desired, observed: ObservedHost): Change[];
  /** What takes everything of ours away and puts back what was there before. */
  remove(observed: ObservedHost): Change[];
  /** Whether it takes away something that packets may still need; `registry.ts` says when those come. */
  clears(change: Change): boolean;
  /** All that the host should have of it, by the names that differences have. */
  resources(desired: Desired, observed: ObservedHost): Resource[];
  /** What the change does to each thing that it is about. */
  differences(change: Change, observed: ObservedHost): Difference[];
  /** What the change is for, in a few words. */
  title(change: Change): string;
  apply(change: Change, observed: ObservedHost): Action;
  /** Puts back what `apply` changed, in this order. */
  undo(change: Change, observed: ObservedHost): Command[];
  /** Prints what the change is about: after `undo` the same as before `apply`. */
  readBack?(change: Change): Command[];
  /** Changes nothing, and is refused where `apply` would be; prints JSON, and on refusal an error. */
  dryRun?(change: Change, observed: ObservedHost): Command | undefined;
  /** What a host looks after by itself once it has that. */
  keep?(
    desired: Desired,
    host: Pick<ObservedFrom, 'sidetrack' | 'bpfDirectory' | 'stateDir'>,
  ): KeepItem[];
  /** What of the kind the state file keeps. */
  readonly saves?: Saves<Desired>;
}

/** What a change runs; its step has the host and the title besides. */
export type Action = Command & Pick<Step, 'optional' | 'freshSets' | 'afterConfirm'>;

/**
 * One thing that a host keeps: lines of sh in functions of the program `keep/program.ts`, whose first argument is the item's number.
 */
export interface KeepItem {
  /** As in differences. */
  name: string;
  /** When it is looked at: each second, or when the kernel was told something of this sort. */
  looked: 'second' | 'routing' | 'ruleset' | 'filters';
  /** Status 0 where it is as wanted; else `why` says what is wrong. It starts no program where it is looked at each second. */
  check: string;
  /** Each is run behind the one before; the first that fails is the last. */
  repair: readonly string[];
  /** Notes how it looks when it is right. */
  learn?: string;
  /** Variables that its functions read. */
  settings?: Readonly<Record<string, string>>;
  /** Long inputs beside the program. */
  files?: readonly { name: string; content: string }[];
  /** The same of what the host has already. */
  copies?: readonly KeptCopy[];
}

export interface KeptCopy {
  name: string;
  /** Its path on the host, once the change is made. */
  from: string;
  /** How its SHA-256 begins; absent where its name says all of what is in it. */
  digest?: string;
  isProgram?: true;
}

export interface Saves<Desired = unknown> {
  /** What `down` will need, written before the first change; nothing where it is written already. */
  before?(desired: Desired, observed: ObservedHost): Partial<SavedState> | undefined;
  /** What the next apply will need, written after the last change, of the host as it is then. */
  after(desired: Desired, found: Pick<ObservedHost, 'listing' | 'saved'>): Partial<SavedState>;
  /** Whether what is saved serves no more, although the host is as desired: it is saved again. */
  isStale?(desired: Desired, observed: ObservedHost): boolean;
  /** Files beside the state file, for which `after` vouches. */
  files?(desired: Desired, stateDir: string): SavedFile[];
  /** Paths of those that a state file vouches for. */
  paths?(saved: SavedState, stateDir: string): string[];
}

export interface SavedFile {
  path: string;
  content: string;
}
