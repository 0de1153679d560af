import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { action, command } from '../context.js';
import { EXIT_OK, print } from '../output.js';
import { frame } from '../top/frame.js';
import { initialState, orderOf, VIEWS } from '../top/model.js';
import { nextPicture } from '../top/picture.js';
import { openSource, type RelaySource } from '../top/relay-source.js';
import { watch } from '../top/watch.js';
import { type ListOptions, readFilter, withFilter } from './connections.js';

const EVERY_MS = 1000;

interface TopOptions extends ListOptions {
  view: string;
}

export function topCommand(): Command {
  const top = command(
    'top',
    "Watch the relay's connections, clients, rules, upstreams and hosts, on the server; ? shows the keys",
    [
      'sudo sidetrack top',
      'sudo sidetrack top --sort bytes --client 192.168.1.0/24',
      'sudo sidetrack top | head            # without a terminal: one picture',
      'sudo sidetrack top --view upstreams | cat',
    ],
  );
  const names = VIEWS.map(({ name }) => name);
  const view = new Option('--view <name>', 'what to show first').choices(names).default(names[0]);
  return withFilter(top, 'rate').addOption(view).action(action(runTop));
}

async function runTop(options: TopOptions): Promise<number> {
  // What is wrong with an option is told like anywhere else.
  readFilter(options);
  const view = VIEWS.findIndex(({ name }) => name === options.view);
  const state = initialState(view, filterText(options), options.sort);
  const source = await openSource(options.pid);
  const { stdin, stdout, env } = process;
  if (stdout.isTTY && stdin.isTTY && env.TERM !== 'dumb') return watch(source, state);
  await showOnce(source, state);
  return EXIT_OK;
}

/** As it could be typed after `/`. */
function filterText({ client, to, upstream }: ListOptions): string {
  const words = Object.entries({ client, to, upstream });
  return words
    .flatMap(([word, value]) => (value === undefined ? [] : [`${word} ${value}`]))
    .join(' ');
}

async function showOnce(source: RelaySource, state: ReturnType<typeof initialState>) {
  const wanted = { list: true };
  const before = await source.look(wanted);
  await delay(EVERY_MS);
  const now = await source.look(wanted);
  const picture = nextPicture(now.port, now.look, before.look);
  const listed = VIEWS[state.view]!.list(picture, state.filter.wanted, orderOf(state));
  const size = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY };
  for (const parts of frame({ ...size, state, picture, listed }))
    print(
      parts
        .map(({ text }) => text)
        .join('')
        .trimEnd(),
    );
}
