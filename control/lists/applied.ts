/**
 * What was applied last by a configuration file: its text, and what its sets held. By that a refresh brings new lists to the
 * hosts and nothing else of the file, and knows that the hosts are as they were left.
 */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { Config } from '../config/config.js';
import { directoryOf } from '../config/load-sets.js';
import { readContract } from '../contract.js';
import { PrefixSet } from '../policy/prefix-set.js';
import { writeWhole } from './store.js';

const VERSION = 1;

const applied = z.object({
  version: z.literal(VERSION),
  /** Those that are so, by their names. */
  hosts: z.array(z.string()),
  text: z.string(),
  /** CIDRs, one a line. */
  sets: z.record(z.string(), z.string()),
});

export type Applied = z.output<typeof applied>;

type Where = Pick<Config, 'file' | 'written'>;

function pathOf({ file, written }: Where): string {
  const digest = createHash('sha256').update(resolve(file)).digest('hex').slice(0, 12);
  return join(directoryOf(written, file), 'applied', `${digest}.json`);
}

/** Canonical: two lists with the same addresses are the same text. */
export function setTexts({ sets }: Pick<Config, 'sets'>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sets).map(([name, { entries }]) => [
      name,
      PrefixSet.of(entries)
        .cidrs()
        .map((cidr) => `${cidr}\n`)
        .join(''),
    ]),
  );
}

/** Nothing where nothing was applied by this file yet, or only by an earlier version. */
export async function readApplied(config: Where): Promise<Applied | undefined> {
  const text = await readFile(pathOf(config), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const read = readContract(text, applied);
  return 'value' in read ? read.value : undefined;
}

/**
 * @param hosts that are now as the configuration says
 * @throws ListError `disk`
 */
export async function rememberApplied(
  config: Where & Pick<Config, 'text' | 'sets'>,
  hosts: readonly string[],
): Promise<void> {
  const { file, text } = config;
  // What came by standard input is not there to be compared with.
  if (file === '<stdin>' || Object.keys(config.sets).length === 0) return;
  const before = await readApplied(config);
  const sets = setTexts(config);
  const isSame = before?.text === text && JSON.stringify(before.sets) === JSON.stringify(sets);
  const all = [...new Set([...(isSame ? before.hosts : []), ...hosts])];
  if (isSame && all.length === before.hosts.length) return;
  const content: Applied = { version: VERSION, hosts: all, text, sets };
  // Passwords of upstreams may stand in the text.
  await writeWhole(pathOf(config), JSON.stringify(content), 0o600);
}

/** @param hosts of which everything was taken away */
export async function forgetApplied(config: Where, hosts: readonly string[]): Promise<void> {
  const before = await readApplied(config);
  if (before === undefined) return;
  const left = before.hosts.filter((name) => !hosts.includes(name));
  if (left.length > 0)
    await writeWhole(pathOf(config), JSON.stringify({ ...before, hosts: left }), 0o600);
  else await rm(pathOf(config), { force: true });
}
