/** What the tests of other people's programs share: how one is described. */
import type { Fixture } from '../fixture.js';
import type { Running } from './launch.js';

export type FamilyName = 'v4' | 'v6';

/** Port on server1 of whatever program is being tested. */
export const PORT = 12345;

export interface Rival {
  name: string;
  /** `program` in the configuration. */
  program: 'external' | 'relay';
  /** Executables without which its tests are skipped. */
  needs: readonly string[];
  families: readonly FamilyName[];
  /** Starts it on server1's PORT with `args`, and before it what it talks to elsewhere. */
  start(fixture: Fixture, ...args: string[]): Promise<Running[]>;
  /** What it wrote down; by default what the last one of `start` has printed. */
  report?(fixture: Fixture): Promise<string>;
  /**
   * How its report says that it cannot learn the original destination, or takes `own`, which is
   * server1's own address, for it. The kernel answers SO_ORIGINAL_DST with an error where conntrack
   * does not run, and with the destination of the packet as it came in where it does.
   */
  misled(own: string, conntrack: boolean): RegExp;
  /** How its report names a destination that it connected to, where it names any. */
  reached?(address: string): RegExp;
  /**
   * Source address that the Internet sees when it, and nothing else, fetched. Absent when it dials
   * from server1, so that the router masquerades as always.
   */
  exit?: Readonly<Partial<Record<FamilyName, string>>>;
}

export const escaped = (text: string) => text.replaceAll('.', '\\.');
