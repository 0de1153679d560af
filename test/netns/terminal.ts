/** A real terminal on a node: tmux, which types for us and tells what its screen shows. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProcess } from '../../control/hosts/process.js';
import { CLI, type Fixture, waitFor } from './fixture.js';

export const hasTmux = spawnSync('tmux', ['-V']).status === 0;

export interface Size {
  columns: number;
  rows: number;
}

/** What a terminal must be again: both screens, cursor, wrapping, and how the line behaves. */
const MODES = '#{alternate_on} #{cursor_flag} #{wrap_flag}';
const AS_BEFORE = '0 1 1';
const PROMPT = 'prompt>';

let number = 0;

export class Terminal {
  private constructor(
    private readonly fixture: Fixture,
    private readonly node: string,
    /** Of what is made for it. */
    private readonly base: string,
  ) {}

  /** A shell with job control on `node`. @param env words before the command, such as `env NO_COLOR=1` */
  static async open(
    fixture: Fixture,
    node: string,
    { columns, rows }: Size,
    env = '',
  ): Promise<Terminal> {
    const base = join(fixture.directory, `terminal-${++number}`);
    const terminal = new Terminal(fixture, node, base);
    // Process numbers are those of the lab, so it is left to a file to say which one is to be signalled.
    writeFileSync(
      `${base}.sh`,
      `echo $$ > ${base}.pid\nexec ${env} ${process.execPath} ${CLI} "$@"\n`,
    );
    const shell = `PS1='${PROMPT}' exec bash --norc --noprofile -i`;
    const size = ['-x', `${columns}`, '-y', `${rows}`];
    const argv = ['tmux', '-S', `${base}.tmux`, '-f', '/dev/null'];
    await fixture.lab.check(node, [...argv, 'new-session', '-d', ...size, shell]);
    await terminal.waitFor('a prompt', (text) => text.includes(PROMPT));
    return terminal;
  }

  /** Types a command line for our program, between two looks at the line's settings. */
  async start(...args: string[]): Promise<void> {
    const quoted = args.map((one) => `'${one}'`).join(' ');
    await this.type(
      `clear; stty -g >${this.base}.before; sh ${this.base}.sh ${quoted}; echo "left $?"; stty -g >${this.base}.after`,
    );
    await this.press('Enter');
  }

  /** Characters as they are. */
  type(text: string): Promise<string> {
    return this.tmux('send-keys', '-l', '--', text);
  }

  /** Keys by the names that tmux has for them. */
  press(...keys: string[]): Promise<string> {
    return this.tmux('send-keys', '--', ...keys);
  }

  resize({ columns, rows }: Size): Promise<string> {
    return this.tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`);
  }

  close(): Promise<string> {
    return this.tmux('kill-server');
  }

  /** Lines of the screen, without blanks at their ends. */
  async screen(): Promise<string[]> {
    return (await this.tmux('capture-pane', '-p')).split('\n').map((line) => line.trimEnd());
  }

  /** With colours and the like. */
  styledScreen(): Promise<string> {
    return this.tmux('capture-pane', '-p', '-e');
  }

  /** @throws with the screen as it is when it never is as wanted. */
  async waitFor(
    what: string,
    isThere: (text: string, lines: string[]) => boolean,
  ): Promise<string[]> {
    let lines: string[] = [];
    const look = async () => {
      lines = await this.screen();
      return isThere(lines.join('\n'), lines);
    };
    await waitFor(what, look).catch((error: Error) => {
      throw new Error(`${error.message}; the screen:\n${lines.join('\n')}`);
    });
    return lines;
  }

  /** The first screen again, a cursor, wrapping. */
  async isAsBefore(): Promise<boolean> {
    return (await this.tmux('display-message', '-p', MODES)).trim() === AS_BEFORE;
  }

  /** Waits for the end of what was started. @returns its exit status */
  async left(): Promise<number> {
    const lines = await this.waitFor('the command to end', (text) =>
      /^left \d+\n+prompt>/m.test(text),
    );
    const same = await this.fixture.lab.run(this.node, [
      'cmp',
      `${this.base}.before`,
      `${this.base}.after`,
    ]);
    if (same.status !== 0)
      throw new Error(`the terminal's settings are others than before: ${same.stdout}`);
    if (!(await this.isAsBefore())) throw new Error('the screen is not as before');
    return Number(/^left (\d+)$/m.exec(lines.join('\n'))![1]);
  }

  /** To what was started. */
  async signal(name: string): Promise<void> {
    await this.fixture.lab.check(this.node, ['sh', '-c', `kill -${name} $(cat ${this.base}.pid)`]);
  }

  /** Where nobody can see it any more. */
  async waitForEnd(): Promise<void> {
    const script = `kill -0 $(cat ${this.base}.pid)`;
    await waitFor('the command to end', async () => {
      return (await this.fixture.lab.run(this.node, ['sh', '-c', script])).status !== 0;
    });
  }

  private async tmux(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await runProcess([
      'tmux',
      '-S',
      `${this.base}.tmux`,
      ...args,
    ]);
    if (status !== 0) throw new Error(`tmux ${args.join(' ')}: ${stderr}`);
    return stdout;
  }
}
