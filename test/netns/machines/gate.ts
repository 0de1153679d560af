/**
 * Stops whatever changes a machine at a chosen moment, without its knowledge: programs in front of nft, ip and others count each
 * change before it is made and after, and at the chosen one wait until they are let go.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { waitFor } from '../fixture.js';
import type { Machine } from './machine.js';

/**
 * Shell patterns of the argument lists, in spaces, that change something. A neighbour is looked up only where it is not known,
 * so that is left out: the moments of a change would not be the same ones each time.
 */
const CHANGES: Readonly<Record<string, string>> = {
  ip: '*" add "*|*" replace "*|*" del "*|*" delete "*|*" flush "*',
  nft: '*" -f "*|*" add "*|*" delete "*|*" flush "*|*" destroy "*',
  tee: '*',
  mkdir: '*',
  mv: '*',
  rm: '*',
};

const PROGRAM_MODE = 0o755;
/** A whole change, with all that is tried before, on a busy machine. */
const REACHED_MS = 60_000;

export class Gate {
  private constructor(
    private readonly machine: Machine,
    /** Of the directory, from outside and from inside. */
    private readonly outside: string,
    private readonly inside: string,
  ) {}

  static async install(machine: Machine): Promise<Gate> {
    const { root, wrappers } = machine.setUp;
    const outside = join(wrappers, 'gate.d');
    const gate = new Gate(machine, outside, `/${relative(root, outside)}`);
    mkdirSync(outside, { recursive: true });
    gate.openAll();
    for (const [name, pattern] of Object.entries(CHANGES)) {
      const path = '/usr/sbin:/usr/bin:/sbin:/bin';
      const find = `PATH=${root === '/' ? path : '/sbin:/bin'}; command -v "$1"`;
      const real = (await machine.shell(find, name)).trim();
      writeFileSync(join(wrappers, name), gate.wrapper(name, real, pattern), {
        mode: PROGRAM_MODE,
      });
    }
    return gate;
  }

  /** What the programs say of themselves in the list of changes. */
  private wrapper(name: string, real: string, pattern: string): string {
    return `#!/bin/sh
case " $* " in *" neigh "*) exec ${real} "$@" ;; ${pattern}) ;; *) exec ${real} "$@" ;; esac
gate=${this.inside}
pass() {
  echo "$1" >>$gate/passed
  n=0
  while read -r _; do n=$((n + 1)); done <$gate/passed
  stop=$(cat $gate/stop)
  case "$n.$1" in "$stop".* | "$n.$stop"*) ;; *) return ;; esac
  : >$gate/reached
  until [ -e $gate/open ]; do sleep 0.05; done
}
pass "before ${name} $*"
${real} "$@"
status=$?
pass "after ${name} $*"
exit $status
`;
  }

  /**
   * Counts anew, and stops at that one: the first that begins with a text, or from 1 the number of one. A change that takes
   * long sets its deadline again meanwhile, and then numbers behind that are not the usual ones.
   */
  closeAt(moment: number | string): void {
    this.write('passed', '');
    this.write('stop', `${moment}\n`);
    for (const name of ['reached', 'open']) rmSync(join(this.outside, name), { force: true });
  }

  openAll(): void {
    this.closeAt(0);
  }

  /** Resolves when the moment has come. @throws when \`work\` ends before it. */
  async reached(work: Promise<unknown>): Promise<void> {
    let ended: unknown;
    work.then(
      (result) => {
        ended = result ?? 'nothing';
      },
      (error) => {
        ended = error;
      },
    );
    await waitFor(
      `the gate on ${this.machine.node}`,
      () => {
        if (this.read('reached') !== undefined) return true;
        if (ended !== undefined) throw new Error(`it ended before: ${JSON.stringify(ended)}`);
        return false;
      },
      REACHED_MS,
    );
  }

  remove(): void {
    for (const name of Object.keys(CHANGES)) rmSync(join(this.machine.setUp.wrappers, name));
  }

  /** Lets what waits go on, if it still lives. */
  release(): void {
    this.write('open', '');
  }

  /** The moments that have passed since it was closed or opened. */
  get passed(): readonly string[] {
    return (this.read('passed') ?? '').split('\n').filter(Boolean);
  }

  private write(name: string, text: string): void {
    writeFileSync(join(this.outside, name), text);
  }

  private read(name: string): string | undefined {
    try {
      return readFileSync(join(this.outside, name), 'utf8');
    } catch {
      return undefined;
    }
  }
}
