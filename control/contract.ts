/**
 * What is read back: JSON that another program wrote, or another version of this one. The shape is a
 * schema beside its reader; here is what is said where a text does not fit, in part of a line.
 */
import type { z } from 'zod';

/** What is wrong with a text, to stand behind "<file> is damaged: ". */
export interface Misfit {
  problem: string;
  /** It is the version that is unknown: another sidetrack wrote it, and nothing is damaged. */
  isVersion: boolean;
}

export type Read<T> = { value: T } | Misfit;

/** @param schema of an object with versions: its key is `version`. */
export function readContract<T>(text: string, schema: z.ZodType<T>): Read<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return misfit(text.trim() === '' ? 'it is empty' : 'it is no JSON');
  }
  return checkContract(value, schema);
}

/** The same of what has been parsed. */
export function checkContract<T>(value: unknown, schema: z.ZodType<T>): Read<T> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return { value: data };
  const issues = error.issues.flatMap(mostTelling);
  const version = issues.find(({ path }) => path.length === 1 && path[0] === 'version');
  if (version !== undefined) return { problem: aboutVersion(value), isVersion: true };
  const { path, message } = issues[0]!;
  const place = path.length === 0 ? '' : `${printed(path.join('.'))}: `;
  return misfit(`${place}${printed(message.replace(/^Invalid input: /, ''))}`);
}

const misfit = (problem: string): Misfit => ({ problem, isVersion: false });

interface Issue {
  path: readonly PropertyKey[];
  message: string;
}

/** Of a choice between shapes the one that the value comes closest to. */
function mostTelling(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const deepest = issue.errors
    .flat()
    .flatMap(mostTelling)
    .sort((a, b) => b.path.length - a.path.length)[0]!;
  return [{ path: [...issue.path, ...deepest.path], message: deepest.message }];
}

function aboutVersion(value: unknown): string {
  const { version } = value as { version?: unknown };
  if (version === undefined) return 'it has no version';
  const known = typeof version === 'number' ? String(version) : 'no number';
  return `its version is ${known}, which this sidetrack does not know`;
}

/** No text of others steers a terminal, or fills it. */
const printed = (text: string): string =>
  text.replace(/[^\x20-\x7e]/g, '?').slice(0, LONGEST_QUOTE);

const LONGEST_QUOTE = 120;
