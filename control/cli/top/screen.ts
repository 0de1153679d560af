/**
 * The terminal: full-screen while we are in it, and as it was before after any way out. Escape codes are those that
 * a VT100, the Linux console, screen and tmux share; what is coloured says so in words, too.
 */
import { emitKeypressEvents } from 'node:readline';
import pc from 'picocolors';
import { runProcess } from '../../hosts/process.js';
import type { Size, Style, StyledLine } from './frame-parts.js';

/** The alternate screen without a cursor, and no wrapping: a width that was guessed wrong moves nothing. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
/** The Linux console has one screen alone: there the shell goes on at the top of an empty one. */
const LEAVE = '\x1b[0m\x1b[2J\x1b[H\x1b[?7h\x1b[?25h\x1b[?1049l';
const CLEAR_LINE = '\x1b[K';
const USUAL: Size = { columns: 80, rows: 24 };
/** What a terminal that is all wrong may say of its size. */
const SIZE_MOST = 1000;

export interface ScreenEvents {
  key: (name: string) => void;
  /** The window has another size, or what was drawn is gone. */
  redraw: () => void;
  /** The terminal has gone, or a signal ends us. @param status of the process */
  end: (status: number) => void;
}

export interface TerminalScreen {
  size(): Size;
  draw(lines: readonly StyledLine[]): void;
  /** What is there may be another program's: all lines are drawn anew the next time. */
  refresh(): void;
  /** As Ctrl-Z does in a shell; returns when we go on. */
  suspend(): void;
  leave(): void;
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131 } as const;

/** @param coloured what `mayColour` says. */
export function enterScreen(events: ScreenEvents, coloured: boolean): TerminalScreen {
  const { stdin, stdout } = process;
  const style = styles(coloured);
  let drawn: string[] = [];
  let inside = false;

  const put = (text: string) => {
    // A terminal that has gone is told by `end`.
    if (!stdout.destroyed) stdout.write(text);
  };
  const enter = () => {
    if (inside) return;
    inside = true;
    drawn = [];
    stdin.setRawMode(true);
    put(ENTER);
  };
  const restore = () => {
    if (!inside) return;
    inside = false;
    put(LEAVE);
    try {
      stdin.setRawMode(false);
    } catch {
      // It has gone.
    }
  };
  const refresh = () => {
    drawn = [];
    if (inside) put('\x1b[2J');
  };
  const redraw = () => {
    refresh();
    events.redraw();
  };
  const suspend = () => {
    restore();
    process.off('SIGTSTP', suspend);
    // All of the job, as the terminal does it. We come back from here when it goes on, or at once where nobody
    // could continue us, and the kernel therefore stops nobody.
    process.kill(0, 'SIGTSTP');
    process.on('SIGTSTP', suspend);
    enter();
    events.redraw();
  };
  // Stopped by SIGSTOP: the shell has drawn over us, and set the terminal up for itself.
  const continued = () => {
    if (!inside) return;
    inside = false;
    // Node remembers what it has set, not what the shell made of it.
    stdin.setRawMode(false);
    enter();
    events.redraw();
  };
  const ends = Object.entries(SIGNALS).map(
    ([signal, status]) => [signal, () => events.end(status)] as const,
  );
  const gone = () => events.end(SIGNALS.SIGHUP);
  const onKey = (text: string | undefined, key: KeyPress | undefined) => {
    const name = keyName(text, key);
    if (name !== undefined) events.key(name);
  };

  for (const [signal, onSignal] of ends) process.on(signal, onSignal);
  process.on('SIGTSTP', suspend).on('SIGCONT', continued).on('exit', restore);
  stdout.on('resize', redraw).on('error', gone);
  emitKeypressEvents(stdin);
  stdin.on('keypress', onKey).on('end', gone).on('error', gone).resume();
  enter();

  return {
    size: () => windowSize(stdout),
    draw: (lines) => {
      if (!inside) return;
      const texts = lines.map((parts) => parts.map((one) => style[one.style](one.text)).join(''));
      const changed = texts.flatMap((text, i) =>
        text === drawn[i] ? [] : [`\x1b[${i + 1};1H${CLEAR_LINE}${text}`],
      );
      drawn = texts;
      if (changed.length > 0) put(changed.join(''));
    },
    refresh,
    suspend,
    leave: () => {
      restore();
      for (const [signal, onSignal] of ends) process.off(signal, onSignal);
      process.off('SIGTSTP', suspend).off('SIGCONT', continued).off('exit', restore);
      stdout.off('resize', redraw).off('error', gone);
      stdin.off('keypress', onKey).off('end', gone).off('error', gone).pause();
    },
  };
}

/** A serial console knows no size. */
function windowSize({ columns, rows }: { columns?: number; rows?: number }): Size {
  const known = (value: number | undefined, usual: number) =>
    value === undefined || !(value >= 1) ? usual : Math.min(value, SIZE_MOST);
  return { columns: known(columns, USUAL.columns), rows: known(rows, USUAL.rows) };
}

interface KeyPress {
  name?: string | undefined;
  ctrl: boolean;
  shift: boolean;
  sequence: string;
}

const NAMES: Readonly<Record<string, string>> = { return: 'enter', enter: 'enter' };

/** @returns undefined for what is no key of ours. */
export function keyName(text: string | undefined, key: KeyPress | undefined): string | undefined {
  if (key?.ctrl && key.name !== undefined) return `ctrl-${key.name}`;
  if (key?.name === 'tab') return key.shift ? 'shift-tab' : 'tab';
  // One character that is no control character stands for itself.
  if (text !== undefined && [...text].length === 1 && !/\p{C}/u.test(text)) return text;
  return key?.name === undefined ? undefined : (NAMES[key.name] ?? key.name);
}

type Paint = (text: string) => string;

/** Bold and reverse are no colours, and any terminal may leave them out. */
function styles(coloured: boolean): Readonly<Record<Style, Paint>> {
  const all = pc.createColors(true);
  const paint = (colour: Paint, else_: Paint) => (coloured ? colour : else_);
  return {
    plain: (text) => text,
    bold: all.bold,
    dim: paint(all.dim, (text) => text),
    selected: all.inverse,
    good: paint(all.green, (text) => text),
    warning: paint(all.yellow, all.bold),
    critical: paint((text) => all.bold(all.red(text)), all.bold),
  };
}

/** NO_COLOR counts when it is not empty; terminfo knows whether there are colours. */
export async function mayColour(): Promise<boolean> {
  if (process.env.NO_COLOR) return false;
  try {
    const { status, stdout } = await runProcess(['tput', 'colors'], { timeoutMs: TPUT_MS });
    if (status === 0) return Number(stdout) >= COLOURS_LEAST;
  } catch {
    // There is none here.
  }
  // Without terminfo Node has a list of its own.
  return process.stdout.hasColors();
}

const TPUT_MS = 1000;
const COLOURS_LEAST = 8;
