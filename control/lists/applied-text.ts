/** The notes of what was applied, as a file has them: each text and each list once, however many hosts have it. Pure. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readContract } from '../contract.js';

/** CIDRs, one a line, by name of the set. */
export type SetTexts = Readonly<Record<string, string>>;

export interface AppliedHost {
  /** Of the configuration file. */
  text: string;
  sets: SetTexts;
  /** What a refresh was about to give it: it has these lists or those before. */
  tried?: SetTexts;
}

const VERSION = 2;

/** In place of contents their digests. */
const digests = z.record(z.string(), z.string());

const notes = z.object({
  version: z.literal(VERSION),
  contents: z.record(z.string(), z.string()),
  hosts: z.record(
    z.string(),
    z.object({ text: z.string(), sets: digests, tried: digests.exactOptional() }),
  ),
});

/** Of a version that knew one state for all hosts. */
const first = z.object({
  version: z.literal(1),
  hosts: z.array(z.string()),
  text: z.string(),
  sets: z.record(z.string(), z.string()),
});

/** @returns no host where the text is damaged or of another version */
export function parseApplied(text: string): Map<string, AppliedHost> {
  const read = readContract(text, z.union([notes, first]));
  if (!('value' in read)) return new Map();
  const { value } = read;
  if (value.version === 1) {
    const { text: same, sets } = value;
    return new Map(value.hosts.map((name) => [name, { text: same, sets }]));
  }
  const { contents, hosts } = value;
  return new Map(
    Object.entries(hosts).flatMap(([name, host]) => {
      const [whole, sets] = [contents[host.text], resolved(host.sets, contents)];
      const tried = host.tried && resolved(host.tried, contents);
      if (whole === undefined || sets === undefined) return [];
      return [[name, { text: whole, sets, ...(tried && { tried }) }]];
    }),
  );
}

function resolved(
  digests: Readonly<Record<string, string>>,
  contents: Readonly<Record<string, string>>,
): SetTexts | undefined {
  const found = Object.entries(digests).map(([set, digest]) => [set, contents[digest]] as const);
  const whole = found.flatMap(([set, text]) => (text === undefined ? [] : [[set, text] as const]));
  return whole.length === found.length ? Object.fromEntries(whole) : undefined;
}

export function appliedText(hosts: ReadonlyMap<string, AppliedHost>): string {
  const contents = new Map<string, string>();
  const digestOf = (content: string): string => {
    const digest = createHash('sha256').update(content).digest('hex');
    contents.set(digest, content);
    return digest;
  };
  const digestsOf = (sets: SetTexts) =>
    Object.fromEntries(Object.entries(sets).map(([set, text]) => [set, digestOf(text)]));
  const told = [...hosts].map(([name, { text, sets, tried }]) => [
    name,
    {
      text: digestOf(text),
      sets: digestsOf(sets),
      ...(tried !== undefined && { tried: digestsOf(tried) }),
    },
  ]);
  const all = { hosts: Object.fromEntries(told), contents: Object.fromEntries(contents) };
  return JSON.stringify({ version: VERSION, ...all });
}
