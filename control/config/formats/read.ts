/** Bytes of a list, in whatever format → entries. Pure: a list is judged in the same way from a disk and from a network. */
import { diagnosticAt, type Problem } from '../diagnostic.js';
import { Gathering, type GatheringOptions, type SetEntries } from '../gathering.js';
import { formatOf } from '../list-format.js';
import { parseSetFile } from '../set-file.js';
import { binaryProblem } from './binary.js';
import { type ListChoice, type ListFormat, unheeded } from './choice.js';
import { readClash } from './clash.js';
import { readCsv } from './csv.js';
import { readDelegated } from './delegated.js';
import { readIpset } from './ipset.js';
import { readJson } from './json.js';
import { linesOf, tooLongLine } from './lines.js';
import { readNft } from './nft.js';

export interface ReadList extends SetEntries {
  format: Exclude<ListFormat, 'auto'>;
}

type Reader = (file: string, text: string, choice: ListChoice, found: Gathering) => void;
type Read = Exclude<ListFormat, 'auto' | 'plain'>;

const READERS: Readonly<Record<Read, Reader>> = {
  delegated: readDelegated,
  csv: readCsv,
  json: readJson,
  ipset: readIpset,
  nft: readNft,
  clash: readClash,
};

/** What of a choice each can obey. */
const HEEDS: Readonly<Record<ReadList['format'], Parameters<typeof unheeded>[1]>> = {
  plain: [],
  delegated: ['countries'],
  csv: ['countries', 'asns'],
  json: ['services', 'regions'],
  ipset: ['sourceSet'],
  nft: ['sourceSet'],
  clash: [],
};

/**
 * @param file how it is called in what is said of it
 * @returns no entries where there are diagnostics that are about the whole
 */
export function readList(
  file: string,
  bytes: Buffer,
  choice: ListChoice,
  options: GatheringOptions = {},
): ReadList {
  const problem = binaryProblem(bytes);
  if (problem !== undefined) return refused('plain', file, problem);
  const text = bytes.toString('utf8');
  const format = choice.format === 'auto' ? detected(file, text) : choice.format;
  const key = unheeded(choice, HEEDS[format]);
  const left = key === undefined ? undefined : notHeeded(format, key);
  if (format === 'plain') {
    const found = parseSetFile(file, text, options);
    // What is wrong with the file comes first: it may be no list at all.
    if (left === undefined || found.diagnostics.length > 0) return { ...asData(found), format };
    return refused(format, file, left);
  }
  if (left !== undefined) return refused(format, file, left);
  if (format === 'delegated' && choice.countries.length === 0)
    return refused(format, file, {
      message: 'the file is the statistics of a routing registry, with all its countries',
      hint: 'say which is meant: country: CN',
    });
  const long = OF_LINES.has(format) ? tooLongLine(text) : 0;
  if (long > 0)
    return refused(format, file, { message: 'the line is too long for such a list' }, long);
  // Such programs take an address with host bits for its network.
  const found = new Gathering({ ...options, masks: options.masks || MASKS.has(format) });
  READERS[format](file, text, choice, found);
  found.end();
  const [first] = found.warnings;
  if (found.entries.length === 0 && found.diagnostics.length === 0 && first !== undefined)
    return refused(format, file, { message: `the list has no address: ${first.message}` });
  return { ...asData(found), format };
}

/** Those that divide each line. */
const OF_LINES: ReadonlySet<string> = new Set(['delegated', 'csv', 'ipset', 'clash']);

const MASKS: ReadonlySet<string> = new Set(['ipset', 'nft', 'clash']);

/** By the first line that is no comment; nft's first comment names it. */
function detected(file: string, text: string): ReadList['format'] {
  for (const { text: line } of linesOf(file, text)) {
    if (/^#!.*\bnft\b/.test(line)) return 'nft';
    if (/^(?:[#;]|\/\/|---$)/.test(line)) continue;
    const format = formatOf(line);
    return format === 'auto' ? 'plain' : format;
  }
  return 'plain';
}

function refused(format: ReadList['format'], file: string, problem: Problem, line = 1): ReadList {
  const diagnostics = [diagnosticAt({ file, line, column: 1 }, problem)];
  return { format, entries: [], diagnostics, warnings: [] };
}

const FORMAT_NAMES: Readonly<Record<ReadList['format'], string>> = {
  plain: 'a plain list',
  delegated: 'the statistics of a routing registry',
  csv: 'a table',
  json: 'JSON',
  ipset: 'a saved ipset',
  nft: 'a file for nft',
  clash: 'a rule provider',
};

const notHeeded = (format: ReadList['format'], key: string): Problem => ({
  message: `the list is ${FORMAT_NAMES[format]}, which cannot be chosen from by ${key}`,
  hint: `leave out ${key}, or take another list`,
});

function asData({ entries, diagnostics, warnings }: SetEntries): SetEntries {
  return { entries, diagnostics, warnings };
}
