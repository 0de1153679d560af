import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import pc from 'picocolors';
import { type AddressEntry, isProblem, parseEntry } from '../../config/entry.js';
import { SidetrackError } from '../../error.js';
import { action, type CommonOptions, command, withJson } from '../context.js';
import { EXIT_FAILED, EXIT_OK, print, printJson, say, table } from '../output.js';
import { connectRelay } from '../relay/client.js';
import {
  COLUMNS,
  type Filter,
  order,
  type RatedConnection,
  rate,
  SORTS,
  type Sort,
  select,
} from '../relay/connection-list.js';

export interface ListOptions extends CommonOptions {
  pid?: string;
  to?: string;
  client?: string;
  upstream?: string;
  sort: Sort;
}

/** Rates are what moved between two looks. */
const BETWEEN_MS = 500;

export const withRelay = (target: Command) =>
  target.option('--pid <number>', 'which relay, when several run on this machine');

/** What the list and its live form share. */
export function withFilter(target: Command, sort: Sort): Command {
  return withRelay(target)
    .option('--to <addresses>', 'only to these original destinations: CIDR, address or range')
    .option('--client <addresses>', 'only from these clients: CIDR, address or range')
    .option('--upstream <name>', 'only through this upstream')
    .addOption(new Option('--sort <by>', 'largest first').choices(SORTS).default(sort) as Option);
}

export function connectionsCommand(): Command {
  const connections = command('connections', "List the relay's open connections, on the server", [
    'sudo sidetrack connections --sort rate',
    'sudo sidetrack connections --to 203.0.113.0/24 --client 192.168.1.40',
    "sudo sidetrack connections --json | jq '.connections[] | select(.download.stalled)'",
  ]);
  return withJson(withFilter(connections, 'age')).action(action(runConnections));
}

async function runConnections(options: ListOptions): Promise<number> {
  const filter = readFilter(options);
  const relay = await connectRelay(options.pid);
  const before = await relay.connections();
  await delay(BETWEEN_MS);
  const now = await relay.connections();
  const shown = order(select(rate(now, before), filter), options.sort);
  if (options.json) printJson({ relay: { pid: relay.pid, port: relay.port }, connections: shown });
  else printList(shown, now.connections.length);
  return EXIT_OK;
}

function printList(shown: readonly RatedConnection[], open: number): void {
  const columns = Object.values(COLUMNS);
  const rows = shown.map((one) => columns.map(({ cell }) => cell(one)));
  if (rows.length > 0)
    for (const line of table(
      columns.map(({ title }) => title),
      rows,
    ))
      print(line);
  say(pc.dim(shown.length === open ? `${open} open` : `${shown.length} of ${open} open`));
}

export function readFilter({ to, client, upstream }: ListOptions): Filter {
  return {
    ...(to !== undefined && { to: addresses('--to', to) }),
    ...(client !== undefined && { client: addresses('--client', client) }),
    ...(upstream !== undefined && { upstream }),
  };
}

function addresses(option: string, text: string): AddressEntry {
  const entry = parseEntry(text);
  if (!isProblem(entry)) return entry;
  throw new SidetrackError(`${option}: ${entry.message}`, {
    code: 'address',
    source: 'user',
    hint: entry.hint ?? 'write a CIDR, an address or a range, such as 192.0.2.0/24',
  });
}

export function closeCommand(): Command {
  const close = command('close', 'End open connections of the relay: both ends get a reset', [
    'sudo sidetrack close 4711         # the number that `sidetrack connections` shows',
    'sudo sidetrack close 4711 4712',
  ]);
  return withJson(withRelay(close.argument('<id...>', 'numbers of connections'))).action(
    action(runClose),
  );
}

async function runClose(options: ListOptions, words: string[]): Promise<number> {
  const ids = [...new Set(words.map(readId))];
  const relay = await connectRelay(options.pid);
  const closed = await relay.close(ids);
  const gone = ids.filter((id) => !closed.some((one) => one.id === id));
  if (options.json) printJson({ closed, gone });
  else {
    for (const { id, client, originalDestination } of closed)
      print(`closed ${id}: ${client} to ${originalDestination}`);
    for (const id of gone) say(`${id}: there is no such connection any more`);
  }
  return gone.length === 0 ? EXIT_OK : EXIT_FAILED;
}

function readId(word: string): number {
  if (/^\d{1,15}$/.test(word)) return Number(word);
  throw new SidetrackError(`"${word}" is not the number of a connection`, {
    code: 'connection-id',
    source: 'user',
    hint: 'see the first column of: sidetrack connections',
  });
}
