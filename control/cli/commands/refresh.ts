import type { Command } from 'commander';
import pc from 'picocolors';
import { ROUTER } from '../../apply/macs.js';
import type { Config } from '../../config/config.js';
import { printable } from '../../config/diagnostic.js';
import type { ListConfig } from '../../config/list-config.js';
import { loadConfig } from '../../config/load.js';
import { ageText, directoryOf } from '../../config/load-sets.js';
import { SidetrackError } from '../../error.js';
import { readApplied } from '../../lists/applied.js';
import { type Refreshed, refreshList } from '../../lists/refresh.js';
import { listStates, listsOf } from '../../lists/states.js';
import { tidy } from '../../lists/store.js';
import type { Step } from '../../plan/step.js';
import {
  action,
  command,
  configFile,
  type HostOptions,
  withConfigFile,
  withJson,
} from '../context.js';
import { count } from '../count.js';
import { findChanges, type SetChange } from '../lists/changes.js';
import { reloadSets } from '../lists/reload.js';
import { printStates } from '../lists/states-output.js';
import { refreshAdvice } from '../lists/timer.js';
import {
  EXIT_CODES,
  EXIT_FAILED,
  EXIT_OK,
  print,
  printJson,
  printWarnings,
  say,
} from '../output.js';
import { interruptible } from '../signals.js';
import { progress } from './apply.js';

interface RefreshOptions extends HostOptions {
  force?: boolean;
  acceptShrunken?: boolean;
  fetchOnly?: boolean;
  status?: boolean;
}

export function refreshCommand(): Command {
  const refresh = command(
    'refresh',
    'Fetch the lists behind sets that are due, and load what has changed, without touching live flows',
    [
      'sidetrack refresh                       # from a timer: sidetrack-refresh.timer, or cron',
      'sidetrack refresh --force cn            # this one, now',
      'sidetrack refresh --accept-shrunken cn  # although it is less than half of what it was',
      'sidetrack refresh --status              # how old each is, and what went wrong',
    ],
  );
  return withJson(withConfigFile(refresh))
    .argument('[sets...]', 'names of sets (default: all)')
    .option('--only <host>', 'load on this host alone: router, or a server by name')
    .option('--force', 'fetch also what is not due yet')
    .option('--accept-shrunken', 'take lists that have lost more than shrink_limit allows')
    .option('--fetch-only', 'load nothing')
    .option('--status', 'fetch and load nothing, show how the lists are')
    .addHelpText('after', EXIT_CODES)
    .action(action(runRefresh));
}

async function runRefresh(options: RefreshOptions, sets: string[]): Promise<number> {
  const file = configFile(options);
  // A list that was never fetched is what this is for.
  const lists = await loadConfig(file, { withoutLists: true });
  assertSets(lists, sets);
  assertHost(lists, options.only);
  if (options.status) return showStatus(lists, options.json ?? false);
  const chosen = listsOf(lists).filter(({ name }) => sets.length === 0 || sets.includes(name));
  const fetched = await fetchAll(chosen, options);
  await tidy(directoryOf(lists.written, file), new Set(listsOf(lists).map(({ key }) => key)));
  const loaded = options.fetchOnly ? NOTHING : await load(file, lists, options);
  const isGood = fetched.every(({ refreshed: { kind } }) => kind !== 'failed') && loaded.isGood;
  if (options.json)
    printJson({
      lists: await listStates(lists),
      changed: loaded.changes,
      refused: loaded.shrunken,
      steps: loaded.steps,
    });
  return isGood ? EXIT_OK : EXIT_FAILED;
}

function assertSets({ sets, file }: Config, names: readonly string[]): void {
  const absent = names.find((name) => sets[name] === undefined);
  if (absent === undefined) return;
  throw new SidetrackError(`there is no set "${absent}" in ${file}`, {
    code: 'no-such-set',
    source: 'user',
    hint: `choose among ${Object.keys(sets).join(', ') || 'none: the file has no sets'}`,
  });
}

function assertHost({ servers, file }: Config, only: string | undefined): void {
  const names = [ROUTER, ...servers.map(({ name }) => name)];
  if (only === undefined || names.includes(only)) return;
  throw new SidetrackError(`there is no host "${only}" in ${file}`, {
    code: 'no-such-host',
    source: 'user',
    hint: `choose one of ${names.join(', ')}`,
  });
}

interface FetchedList {
  list: ListConfig;
  refreshed: Refreshed;
}

/** One after the other: several may come from one server. */
async function fetchAll(
  lists: readonly ListConfig[],
  { force, acceptShrunken, json }: RefreshOptions,
): Promise<FetchedList[]> {
  const fetched: FetchedList[] = [];
  for (const list of lists) {
    const refreshed = await refreshList(list, {
      // What is not taken since it has shrunk is not fetched again so soon.
      force: force === true || acceptShrunken === true,
      ...(acceptShrunken && { acceptShrunken }),
    });
    if (!json) tellFetched(list, refreshed);
    fetched.push({ list, refreshed });
  }
  return fetched;
}

function tellFetched({ name }: ListConfig, refreshed: Refreshed): void {
  switch (refreshed.kind) {
    case 'skipped':
      print(`${name}: not due for ${ageText(refreshed.next - Date.now() / 1000)}`);
      break;
    case 'unchanged':
      print(`${name}: unchanged, ${entriesText(refreshed.record.entries)}`);
      break;
    case 'changed': {
      const { record, before, warnings } = refreshed;
      const were = before === undefined ? '' : `, before ${entriesText(before)}`;
      print(`${name}: ${pc.green('fetched')}, ${entriesText(record.entries)}${were}`);
      printWarnings(warnings);
      break;
    }
    case 'failed': {
      const { error, record } = refreshed;
      say(`${pc.red('error:')} ${name}: ${printable(error.message)}`);
      const { checked } = record;
      const copy =
        checked === undefined
          ? 'there is no copy yet'
          : `the copy of ${ageText(Date.now() / 1000 - checked)} ago stays in use`;
      say(`  ${copy}; hint: ${printable(error.hint ?? '')}`);
    }
  }
}

const entriesText = (entries: { v4: number; v6: number } | undefined): string =>
  count((entries?.v4 ?? 0) + (entries?.v6 ?? 0), 'entry');

interface Loaded {
  changes: SetChange[];
  shrunken: SetChange[];
  steps: { host: string; title: string }[];
  isGood: boolean;
}

const NOTHING: Loaded = { changes: [], shrunken: [], steps: [], isGood: true };

/** What of the lists has changed since they were applied, files among them. */
async function load(file: string, now: Config, options: RefreshOptions): Promise<Loaded> {
  const { only, acceptShrunken, json } = options;
  const applied = await readApplied(now);
  const tell = (line: string) => (json ? say(line) : print(line));
  if (applied.size === 0) {
    tell('Nothing is loaded: this file was not applied from here. Next: sidetrack apply');
    return NOTHING;
  }
  if ([...applied].some(([name, { text }]) => text !== now.text && (only ?? name) === name))
    say(
      `${pc.yellow('warning:')} ${now.file} has changed since it was applied; this is left for sidetrack apply, and lists alone are loaded`,
    );
  const found = await findChanges(file, applied, { only, acceptShrunken });
  const shrunken = eachOnce(found.flatMap((one) => one.shrunken));
  for (const one of shrunken) sayShrunken(one);
  const isGood = shrunken.length === 0;
  const changed = found.filter(({ hosts }) => hosts.length > 0);
  if (changed.length === 0) {
    tell('Nothing changes: the hosts have these lists.');
    return { ...NOTHING, shrunken, isGood };
  }
  const steps: Step[] = [];
  for (const change of changed)
    steps.push(
      ...(await interruptible((signal) => reloadSets(change, { signal, ...progress(options) }))),
    );
  const changes = eachOnce(changed.flatMap((one) => one.changes));
  if (!json) {
    const sets = changes.map(({ set, before, after }) => `${set} (${before} -> ${after})`);
    print(`${pc.green('Loaded.')} ${sets.join(', ')}. Live flows stay.`);
  }
  return { changes, shrunken, isGood, steps: steps.map(({ host, title }) => ({ host, title })) };
}

/** Hosts that were left differently may have the same set. */
const eachOnce = (changes: readonly SetChange[]): SetChange[] =>
  changes.filter(({ set }, at) => changes.findIndex((one) => one.set === set) === at);

function sayShrunken({ set, before, after }: SetChange): void {
  say(
    `${pc.red('error:')} ${set}: its file has ${count(after, 'entry')}, and had ${before}: it is not loaded`,
  );
  say('  hint: look at it; where it is right: sidetrack refresh --accept-shrunken');
}

async function showStatus(config: Config, json: boolean): Promise<number> {
  const states = await listStates(config);
  const isGood = states.every(({ stale, error }) => !stale && error === undefined);
  if (json) printJson({ lists: states });
  else if (states.length === 0) print('No set of the configuration has a url.');
  else {
    printStates(states);
    const advice = refreshAdvice(config);
    if (advice !== undefined) say(advice);
  }
  return isGood ? EXIT_OK : EXIT_FAILED;
}
