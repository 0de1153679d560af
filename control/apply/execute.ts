/** Runs steps in order; at the first failure it puts everything back. */
import type { Command } from '../command/command.js';
import { SidetrackError } from '../error.js';
import { type Host, runChecked } from '../hosts/host.js';
import type { Step } from '../plan/step.js';
import { isNft, runNftStep } from './nft-step.js';

export type Hosts = ReadonlyMap<string, Host>;

export interface ExecuteOptions {
  /** Called before each step. */
  onStep?: (step: Step) => void;
  /** Called when an optional step fails, and its reason is no reason to stop. */
  onSkipped?: (step: Step, reason: string) => void;
  /** Ctrl-C between two steps counts as a failure of the next one. */
  signal?: AbortSignal;
}

/**
 * @param finish runs after the last step; its failure rolls back too.
 * @throws SidetrackError that names host, step and reason, after rolling back.
 */
export async function executeSteps(
  hosts: Hosts,
  steps: readonly Step[],
  { onStep, onSkipped, signal }: ExecuteOptions = {},
  finish: () => Promise<void> = async () => {},
): Promise<void> {
  const done: Step[] = [];
  let current: Step | undefined;
  let running: Step | undefined;
  try {
    for (current of steps) {
      signal?.throwIfAborted();
      onStep?.(current);
      done.push(current);
      running = current;
      const skipped = await runStep(hostOf(hosts, current), current);
      running = undefined;
      if (skipped === undefined) continue;
      done.pop();
      onSkipped?.(current, skipped);
    }
    current = undefined;
    signal?.throwIfAborted();
    await finish();
  } catch (cause) {
    throw stepError(cause, current, done.length, await rollBack(hosts, done, running));
  }
}

/** @returns why an optional step came to nothing. */
async function runStep(host: Host, step: Step): Promise<string | undefined> {
  try {
    if (isNft(step)) await runNftStep(host, step);
    else await runChecked(host, step);
    return undefined;
  } catch (error) {
    if (step.optional) return (error as Error).message;
    throw error;
  }
}

/**
 * Runs every step even if one fails: half a removal is of no use.
 * @throws SidetrackError that lists what is left, after the last step.
 */
export async function executeAll(
  hosts: Hosts,
  steps: readonly Step[],
  { onStep, onSkipped }: ExecuteOptions = {},
): Promise<void> {
  const failures: string[] = [];
  for (const step of steps) {
    onStep?.(step);
    const { status, stderr } = await outcomeOf(hostOf(hosts, step), step);
    if (status === 0) continue;
    if (step.optional) onSkipped?.(step, stderr.trim());
    else failures.push(`${step.host}: ${step.title}: ${stderr.trim() || status}`);
  }
  if (failures.length === 0) return;
  throw new SidetrackError(
    `${failures.length} of ${steps.length} steps failed: ${failures.join('; ')}`,
    {
      code: 'removal-incomplete',
      source: 'host',
      hint: 'run `sidetrack down` again; it removes what is still there',
    },
  );
}

function hostOf(hosts: Hosts, step: Step): Host {
  const host = hosts.get(step.host);
  if (host !== undefined) return host;
  throw new SidetrackError(`no host "${step.host}"`, { code: 'no-host', source: 'bug' });
}

/** A time-out, or no memory for the program, is a failure like any other: the next one has its turn. */
async function outcomeOf(
  host: Host,
  command: Command,
): Promise<{ status: number; stderr: string }> {
  try {
    return await host.run(command);
  } catch (error) {
    return { status: 1, stderr: (error as Error).message };
  }
}

/**
 * Undoes `done` backwards, the failed step included: it may have acted before it failed.
 * @returns what could not be undone, as text.
 */
async function rollBack(hosts: Hosts, done: readonly Step[], failed?: Step): Promise<string[]> {
  const left: string[] = [];
  for (const step of [...done].reverse()) {
    if (step.remembers && left.some((one) => one.startsWith(`${step.host}: `))) continue;
    for (const command of step.undo) {
      const { status } = await outcomeOf(hostOf(hosts, step), command);
      // The failed step usually did nothing, and then its undo has nothing to undo.
      if (status !== 0 && step !== failed) left.push(`${step.host}: ${step.title}`);
    }
  }
  return left;
}

function stepError(
  cause: unknown,
  step: Step | undefined,
  tried: number,
  left: readonly string[],
): SidetrackError {
  const known = cause instanceof SidetrackError ? cause : undefined;
  const interrupted = cause instanceof DOMException && cause.name === 'AbortError';
  const what = interrupted ? 'interrupted' : String((cause as Error).message ?? cause);
  const where = step ? `${step.host}, step "${step.title}": ` : '';
  const after =
    left.length > 0
      ? `not everything could be put back: ${left.join('; ')}`
      : tried > 0
        ? 'every change was put back'
        : 'nothing was changed';
  return new SidetrackError(`${where}${what}; ${after}`, {
    code: known?.code ?? (interrupted ? 'interrupted' : 'step-failed'),
    source: known?.source ?? 'host',
    ...(known?.hint !== undefined && { hint: known.hint }),
    cause,
  });
}
