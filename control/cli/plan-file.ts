/** Saved plans as files. They hold inputs of commands, which are the owner's to read alone. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { SidetrackError } from '../error.js';
import {
  formatSavedPlan,
  looksLikePlan,
  type PlanContent,
  parseSavedPlan,
  type SavedPlan,
} from '../plan/saved-plan.js';
import { version } from './package.js';

const OWNER_ONLY = 0o600;

const reasonOf = (cause: unknown): string => {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code ?? message;
};

export interface OwnFile {
  content: string;
  mode: number;
  /** What a file is that it may take the place of; anything else only with --force. */
  isOurs(text: string): boolean;
  /** What such a file is called. */
  what: string;
}

/** @throws SidetrackError `file-exists`, `not-writable` */
export function writePlanFile(file: string, plan: PlanContent, force: boolean): Promise<void> {
  const content = formatSavedPlan(plan);
  const own = { content, mode: OWNER_ONLY, isOurs: looksLikePlan, what: 'plan' };
  return writeOwnFile(file, own, force);
}

/**
 * Written beside and renamed, so that a link of another user's is replaced and not followed.
 * @throws SidetrackError `file-exists` where something is there that is not ours, unless `force`
 */
export async function writeOwnFile(file: string, own: OwnFile, force: boolean): Promise<void> {
  await assertReplaceable(file, own, force);
  const beside = `${file}.${randomBytes(4).toString('hex')}.new`;
  try {
    const handle = await open(beside, 'wx', own.mode);
    try {
      await handle.writeFile(own.content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (cause) {
    await rm(beside, { force: true });
    throw new SidetrackError(`cannot write ${file}: ${reasonOf(cause)}`, {
      code: 'not-writable',
      source: 'user',
      hint: 'name a file in a directory that you may write to',
      cause,
    });
  }
}

const HEAD_BYTES = 512;

/** A device or a pipe never: the name would become a file. A link is no plan, and is never followed. */
async function assertReplaceable(file: string, own: OwnFile, force: boolean): Promise<void> {
  const { isOurs, what } = own;
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isFile() && !found.isSymbolicLink())
    throw new SidetrackError(`${file} is no file`, {
      code: 'file-exists',
      source: 'user',
      hint: 'name a file, new or of this kind',
    });
  if (force || (found.isFile() && isOurs(await headOf(file)))) return;
  throw new SidetrackError(`${file} exists, and is no ${what}`, {
    code: 'file-exists',
    source: 'user',
    hint: 'name another file, or overwrite this one with --force',
  });
}

/** Empty where it may not be read. */
async function headOf(file: string): Promise<string> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch {
    return '';
  }
}

/** @throws SidetrackError `plan-unreadable`, `plan-damaged`, `plan-version` */
export async function readPlanFile(file: string): Promise<SavedPlan> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new SidetrackError(`cannot read the plan ${file}: ${reasonOf(cause)}`, {
      code: 'plan-unreadable',
      source: 'user',
      hint: 'name a file that "sidetrack plan -o FILE" has written; one host: --only HOST',
      cause,
    });
  });
  return parseSavedPlan(file, text, version());
}
