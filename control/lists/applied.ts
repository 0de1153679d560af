/**
 * What was applied last, of each host by itself: the text of the configuration file, and what its sets held. By that a refresh
 * brings new lists to the hosts and nothing else of the file, and knows that they are as they were left. It is noted before a
 * host is touched what it is to get, so that a refresh that ends in the middle, however, is taken up by the next one.
 */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config.js';
import { directoryOf } from '../config/load-sets.js';
import { addressesOfSet } from '../policy/compile.js';
import { type AppliedHost, appliedText, parseApplied, type SetTexts } from './applied-text.js';
import { cidrText } from './cidr-text.js';
import { writeWhole } from './store.js';

export type { AppliedHost, SetTexts } from './applied-text.js';

/** By name of the host. */
export type Applied = ReadonlyMap<string, AppliedHost>;

type Where = Pick<Config, 'file' | 'written'>;
type What = Where & Pick<Config, 'text' | 'sets' | 'servers'>;

function pathOf({ file, written }: Where): string {
  const digest = createHash('sha256').update(resolve(file)).digest('hex').slice(0, 12);
  return join(directoryOf(written, file), 'applied', `${digest}.json`);
}

/** Canonical: two lists with the same addresses are the same text. */
export function setTexts({ sets }: Pick<Config, 'sets'>): SetTexts {
  return Object.fromEntries(
    Object.entries(sets).map(([name, set]) => [
      name,
      cidrText(addressesOfSet(set))?.text.toString('latin1') ?? '',
    ]),
  );
}

/** Empty where nothing was applied by this file yet, or only by a version that kept other notes. */
export async function readApplied(config: Where): Promise<Applied> {
  const text = await readFile(pathOf(config), 'utf8').catch(() => undefined);
  return text === undefined ? new Map() : parseApplied(text);
}

/**
 * @param names hosts that are now as the configuration says
 * @throws ListError `disk`
 */
export async function rememberApplied(config: What, names: readonly string[]): Promise<void> {
  // What came by standard input is not there to be compared with.
  if (config.file === '<stdin>') return;
  // Without sets nothing of it could be refreshed, nor of what was applied there before.
  const hasSets = Object.keys(config.sets).length > 0;
  const now: AppliedHost = { text: config.text, sets: setTexts(config) };
  await change(config, (hosts) => {
    // A server that has left the file is none that a refresh could reach.
    if (names.length > config.servers.length)
      for (const name of hosts.keys()) if (!names.includes(name)) hosts.delete(name);
    for (const name of names)
      if (hasSets) hosts.set(name, now);
      else hosts.delete(name);
  });
}

/** Before hosts get the lists of the configuration. @throws ListError `disk`; then they must not get them */
export async function noteTried(config: What, names: readonly string[]): Promise<void> {
  const tried = setTexts(config);
  await change(config, (hosts) => {
    for (const name of names) {
      const known = hosts.get(name);
      if (known !== undefined) hosts.set(name, { ...known, tried });
    }
  });
}

/** @param names hosts of which everything was taken away */
export async function forgetApplied(config: Where, names: readonly string[]): Promise<void> {
  await change(config, (hosts) => {
    for (const name of names) hosts.delete(name);
  });
}

/** Of what is there now: another run may have brought another host up to date. */
async function change(config: Where, by: (hosts: Map<string, AppliedHost>) => void): Promise<void> {
  const path = pathOf(config);
  const before = await readFile(path, 'utf8').catch(() => undefined);
  const hosts = before === undefined ? new Map() : parseApplied(before);
  by(hosts);
  const after = appliedText(hosts);
  if (hosts.size === 0) await rm(path, { force: true });
  // Passwords of upstreams may stand in the text.
  else if (after !== before) await writeWhole(path, after, 0o600);
}
