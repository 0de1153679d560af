/** What brings a host back at boot: what of it is wanted, and what was found. */

/** What is kept for boot, by `control/keep`; root's alone. */
export const KEEP_DIRECTORY = '/etc/sidetrack/keep';

/** The program in it. */
export const KEEP_PROGRAM = `${KEEP_DIRECTORY}/program`;

/** Directories that were not there before, one a line: the first file that is written, and the last that goes. */
export const MADE_DIRECTORIES = `${KEEP_DIRECTORY}/directories`;

/** What the next apply and `down` go by, as `up` puts it back into the directory of the state. */
export const KEPT_STATE = `${KEEP_DIRECTORY}/state`;

/** What starts programs at boot. */
export const INITS = ['systemd', 'procd', 'openrc', 'other'] as const;
export type Init = (typeof INITS)[number];

/** A file, or a symbolic link. */
export type BootEntry =
  | { path: string; content: string; mode: number }
  /** Of what the host has at another path by then. `digest`: how the SHA-256 of that begins. */
  | { path: string; copyOf: string; digest?: string; mode: number }
  | { path: string; link: string };

/** What brings a host back at boot, with all that it needs. */
export interface DesiredPersist {
  init: Init;
  /** In the order in which they take the places of what is there. */
  entries: readonly BootEntry[];
  /** Has OpenWrt's firewall wake the watcher after each of its reloads. */
  includes: boolean;
}

/** Of a path that we use. */
export type FoundEntry =
  | {
      kind: 'file';
      mode: number;
      bytes: number;
      /** SHA-256, in hexadecimal digits. */
      digest: string;
      /** Has the line by which we know what is ours. */
      isOurs: boolean;
      /** For people; of a file outside `KEEP_DIRECTORY`, where it is short. */
      text?: string;
    }
  | { kind: 'link'; target: string }
  | { kind: 'odd' };

/** As found; absent in namespaces, which share their machine's /etc. */
export interface ObservedPersist {
  init: Init;
  /** Something of ours is in its place. */
  isKept: boolean;
  /** What an earlier run was about to put there, and did not. */
  hasLeftovers: boolean;
  /** By path. */
  found: Readonly<Record<string, FoundEntry>>;
  /** What the next apply and `down` go by is kept, too. */
  isStateKept: boolean;
  /** /etc is read-only. */
  isSealed: boolean;
  /** The watcher runs. */
  isActive: boolean;
  /** systemd-networkd is there, which removes rules and routes of others. */
  hasNetworkd: boolean;
  /** OpenWrt's firewall is there, and whether it includes us. */
  firewall?: 'without' | 'included';
  /** Heartbeats for a program that is not ours are started at boot. */
  startsHeartbeats: boolean;
}

/** The line by which a file is known as ours; behind `#!` in scripts. */
export const OWN_LINE = '# Written by sidetrack; `sidetrack down` removes it.';

/** What that line begins with, in every version. */
export const OWN_MARK = '# Written by sidetrack';
