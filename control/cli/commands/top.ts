import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ConnectionList } from '../../../monitoring/control-pages.js';
import { action, command } from '../context.js';
import { EXIT_OK, print } from '../output.js';
import { connectRelay, type RelayClient } from '../relay/client.js';
import { type Filter, rate, type Sort, select } from '../relay/connection-list.js';
import { topFrame } from '../relay/top-frame.js';
import { type ListOptions, readFilter, withFilter } from './connections.js';

const EVERY_MS = 1000;
const HOME = '\x1b[H';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_LINE = '\x1b[K';
/** The alternate screen without a cursor, so that the shell's own lines come back afterwards. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

const SORT_KEYS: Readonly<Record<string, Sort>> = { r: 'rate', b: 'bytes', a: 'age' };

export function topCommand(): Command {
  const top = command('top', "Watch the relay's connections, busiest first, on the server", [
    'sudo sidetrack top',
    'sudo sidetrack top --sort bytes --client 192.168.1.0/24',
    'sudo sidetrack top | head            # without a terminal: one picture',
  ]);
  return withFilter(top, 'rate').action(action(runTop));
}

async function runTop(options: ListOptions): Promise<number> {
  const filter = readFilter(options);
  const relay = await connectRelay(options.pid);
  if (process.stdout.isTTY && process.stdin.isTTY) await watch(relay, filter, options.sort);
  else await showOnce(relay, filter, options.sort);
  return EXIT_OK;
}

async function showOnce(relay: RelayClient, filter: Filter, sort: Sort): Promise<void> {
  const before = await relay.connections();
  await delay(EVERY_MS);
  const size = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY };
  for (const line of frame(relay, await relay.connections(), before, filter, sort, size))
    print(line);
}

function frame(
  { port }: RelayClient,
  now: ConnectionList,
  before: ConnectionList | undefined,
  filter: Filter,
  sort: Sort,
  size: { columns: number; rows: number },
): string[] {
  const shown = select(rate(now, before), filter);
  return topFrame(shown, { port, open: now.connections.length, sort, ...size });
}

/** Draws once a second, and at once when a key is pressed or the window changes. */
async function watch(relay: RelayClient, filter: Filter, first: Sort): Promise<void> {
  const keys = listenToKeys(first);
  process.stdout.write(ENTER);
  try {
    let before: ConnectionList | undefined;
    let now = await relay.connections();
    while (!keys.quit) {
      const { columns, rows } = process.stdout;
      const lines = frame(relay, now, before, filter, keys.sort, { columns, rows });
      process.stdout.write(HOME + lines.join(`${CLEAR_LINE}\n`) + CLEAR_LINE + CLEAR_BELOW);
      if (await keys.pressedWithin(EVERY_MS)) continue;
      before = now;
      now = await relay.connections();
    }
  } finally {
    process.stdout.write(LEAVE);
    keys.stop();
  }
}

interface Keys {
  readonly quit: boolean;
  readonly sort: Sort;
  /** False when the time passed without a key. */
  pressedWithin(milliseconds: number): Promise<boolean>;
  stop(): void;
}

function listenToKeys(first: Sort): Keys {
  const state = { quit: false, sort: first, pressed: () => {} };
  const onData = (bytes: Buffer) => {
    for (const key of bytes.toString('latin1')) {
      if (key === 'q' || key === 'Q' || key === '\x03' || key === '\x04') state.quit = true;
      state.sort = SORT_KEYS[key] ?? state.sort;
    }
    state.pressed();
  };
  const onResize = () => state.pressed();
  const onSignal = () => {
    state.quit = true;
    state.pressed();
  };
  process.stdin.setRawMode(true).resume().on('data', onData);
  process.stdout.on('resize', onResize);
  process.once('SIGTERM', onSignal).once('SIGHUP', onSignal);
  return {
    get quit() {
      return state.quit;
    },
    get sort() {
      return state.sort;
    },
    pressedWithin: (milliseconds) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), milliseconds);
        state.pressed = () => {
          clearTimeout(timer);
          resolve(true);
        };
      }),
    stop: () => {
      process.stdin.setRawMode(false).pause().off('data', onData);
      process.stdout.off('resize', onResize);
      process.off('SIGTERM', onSignal).off('SIGHUP', onSignal);
    },
  };
}
