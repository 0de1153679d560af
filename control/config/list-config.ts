/** A set that is fetched, or whose file needs a choice: from the checked section to what the rest sees. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { ListChoice } from './formats/choice.js';
import { LONGEST_REFRESH, secondsOf } from './list-scalars.js';
import type { CheckedFile } from './schema.js';

type CheckedSet = CheckedFile['sets'][string];

export interface ListSignature {
  /** The public key of minisign or signify, base64. */
  key: string;
  url: string;
}

/** Where a set's list comes from, and what is demanded of it. */
export interface ListConfig {
  name: string;
  /** May have a password or a token in it: never printed. */
  url: string;
  /** The same for people. */
  shownUrl: string;
  refreshSeconds: number;
  /** Of the file as it is served, hexadecimal. */
  sha256?: string;
  sha256Url?: string;
  signature?: ListSignature;
  redirects: 'same_host' | 'any';
  maxBytes: number;
  timeoutSeconds: number;
  /** Per cent of the entries that it had; fewer are refused. */
  shrinkLimit: number;
  minEntries: number;
  choice: ListChoice;
  /** Certificates, PEM, that its server is believed with, in place of the system's. */
  caFile?: string;
  /** Of `choice.locations`. */
  locationsFile?: string;
  /** Where copies are written. */
  directory: string;
  /** Name of the copy, without its ending. */
  key: string;
}

const SYSTEM_DIRECTORY = '/var/lib/sidetrack/lists';

/** Root's, or the user's own. */
export function usualListDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (process.getuid?.() === 0) return SYSTEM_DIRECTORY;
  const { XDG_STATE_HOME: state, HOME: home } = env;
  const base = state !== undefined && isAbsolute(state) ? state : undefined;
  return join(base ?? join(home || homedirOr('/'), '.local/state'), 'sidetrack/lists');
}

/** A user of a service may have none. */
function homedirOr(other: string): string {
  try {
    return homedir();
  } catch {
    return other;
  }
}

type Place = Pick<ListConfig, 'directory' | 'key'>;

/** Where a copy is written. */
export const copyIn = ({ directory, key }: Place): string => join(directory, `${key}.list`);

/** Where a copy may be: what root has fetched serves everybody. */
export function copiesOf({ directory, key }: Place): string[] {
  const places = directory === usualListDirectory() ? [directory, SYSTEM_DIRECTORY] : [directory];
  return [...new Set(places)].map((place) => copyIn({ directory: place, key }));
}

/** Without what may be secret: user, password, and all behind the question mark. */
export function shownUrl(text: string): string {
  const { protocol, host, pathname, search } = new URL(text);
  return `${protocol}//${host}${pathname}${search === '' ? '' : '?…'}`;
}

const list = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

export function choiceOf(set: CheckedSet): ListChoice {
  return {
    format: set.format,
    countries: list(set.country).map(String),
    asns: list(set.asn),
    services: list(set.service),
    regions: list(set.region),
    ...(set.source_set !== undefined && { sourceSet: set.source_set }),
  };
}

const MEBIBYTE = 1024 * 1024;
const DIGITS = 12;

/** @param place where copies are, and a path of the file as this process can open it */
export function listConfig(
  name: string,
  url: string,
  set: CheckedSet,
  { directory, beside }: { directory: string; beside(path: string): string },
): ListConfig {
  const choice = choiceOf(set);
  const { signature, locations, ca_file: ca } = set;
  // Another choice of the same list is another list: its copy must not be taken for this one's. The same where another proof is
  // asked for: a copy that was taken without it has not been proven.
  const proof = [set.sha256?.toLowerCase(), set.sha256_url, signature];
  const isProven = proof.some((one) => one !== undefined);
  const parts = [url, choice, locations, ...(isProven ? proof : [])];
  const digest = createHash('sha256').update(JSON.stringify(parts));
  return {
    name,
    url,
    shownUrl: shownUrl(url),
    refreshSeconds: secondsOf(set.refresh) ?? LONGEST_REFRESH,
    ...(set.sha256 !== undefined && { sha256: set.sha256.toLowerCase() }),
    ...(set.sha256_url !== undefined && { sha256Url: set.sha256_url }),
    ...(signature !== undefined && {
      signature: { key: signature.key, url: signature.url ?? minisigOf(url) },
    }),
    redirects: set.redirects,
    maxBytes: set.max_size_mib * MEBIBYTE,
    timeoutSeconds: set.timeout_seconds,
    shrinkLimit: set.shrink_limit,
    minEntries: set.min_entries,
    choice,
    ...(ca !== undefined && { caFile: beside(ca) }),
    ...(locations !== undefined && { locationsFile: beside(locations) }),
    directory,
    key: `${name}-${digest.digest('hex').slice(0, DIGITS)}`,
  };
}

/** A token of the query goes with it. */
function minisigOf(text: string): string {
  const url = new URL(text);
  url.pathname += '.minisig';
  return url.href;
}
