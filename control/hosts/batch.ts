/** A batch on any host that can run a shell. */
import { randomBytes } from 'node:crypto';
import { commandError } from '../command/answer.js';
import { batchScript, splitBatch } from '../command/batch.js';
import { type Command, purposeOf, type RunResult } from '../command/command.js';
import type { HostRef } from '../command/explain.js';
import { SidetrackError } from '../error.js';
import type { RawResult } from './process.js';

/** Starts a shell with this script as its standard input, as only the transport knows how to. */
export type RunShell = (argv: readonly string[], script: string) => Promise<RawResult>;

const BOUNDARY_BYTES = 16;

export async function runBatch(
  host: HostRef,
  commands: readonly Command[],
  run: RunShell,
): Promise<RunResult[]> {
  if (commands.length === 0) return [];
  const boundary = randomBytes(BOUNDARY_BYTES).toString('hex');
  const output = await run(['sh'], batchScript(commands, boundary));
  const results = splitBatch(output, boundary);
  const missing = commands[results.length];
  if (missing === undefined) return results;
  const { status, stderr } = output;
  // The way there failed, and nothing has run.
  if (results.length === 0 && status !== 0)
    throw commandError(host, missing, { status, stdout: '', stderr: `${stderr}` });
  throw new SidetrackError(
    `${host.address}: the shell ended (status ${status}) before ${purposeOf(missing)} did`,
    { code: 'shell-ended', source: 'host', hint: 'run it again', cause: `${stderr}` },
  );
}
