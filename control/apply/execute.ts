/** Runs steps in order, a host's in one script; at the first failure it puts everything back. */
import { SidetrackError } from '../error.js';
import type { Step } from '../plan/step.js';
import { CHANGE_ENDED } from './change-ended.js';
import { cureUndo } from './nft-step.js';
import type { Place, Places } from './place.js';
import { type HostScript, runAll, runScript } from './run-script.js';

export interface ExecuteOptions {
  /** Called before each step. */
  onStep?: (step: Step) => void;
  /** Called when an optional step fails, and its reason is no reason to stop. */
  onSkipped?: (step: Step, reason: string) => void;
  /** Ctrl-C between two hosts counts as a failure of the next step. */
  signal?: AbortSignal;
}

/** How steps are run and undone, where that is not as usual. */
export interface Method {
  scriptOf(host: string): HostScript;
  /** Instead of the steps' undo from here. */
  putBack?(reason: string): Promise<PutBack>;
}

/** What became of the attempt. */
export interface PutBack {
  /** `HOST: TITLE` of what could not be put back. */
  left: string[];
  /** Hosts that do not answer, each with what it does by itself. */
  unknown: string[];
  /** There was something to put back. */
  reverted: boolean;
  /** Why the hosts say that they put it back. */
  why?: string;
}

const PLAIN: Method = { scriptOf: () => ({ before: [], after: [] }) };

/**
 * @param finish runs after the last step; its failure rolls back too.
 * @throws SidetrackError that names host, step and reason, after rolling back.
 */
export async function executeSteps(
  places: Places,
  steps: readonly Step[],
  { onStep, onSkipped, signal }: ExecuteOptions = {},
  finish: () => Promise<void> = async () => {},
  method: Method = PLAIN,
): Promise<void> {
  const done: Step[] = [];
  let running: Step | undefined;
  try {
    for (const group of byHost(steps)) {
      signal?.throwIfAborted();
      const { host } = group[0]!;
      await runScript(placeOf(places, host), group, method.scriptOf(host), {
        onBegin(step) {
          onStep?.(step);
          done.push(step);
          running = step;
        },
        onDone() {
          running = undefined;
        },
        onSkipped(step, reason) {
          running = undefined;
          done.splice(done.indexOf(step), 1);
          onSkipped?.(step, reason);
        },
      });
    }
    signal?.throwIfAborted();
    await finish();
  } catch (cause) {
    const reason = reasonOf(cause);
    const outcome = method.putBack
      ? await method.putBack(reason)
      : {
          left: await rollBack(places, done, running),
          unknown: [],
          reverted: done.length > 0,
        };
    throw stepError(cause, running, outcome, method.putBack !== undefined);
  }
}

/** Those that follow each other on the same host. */
function byHost(steps: readonly Step[]): Step[][] {
  const groups: Step[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last?.[0]?.host === step.host) last.push(step);
    else groups.push([step]);
  }
  return groups;
}

/**
 * Runs every step even if one fails: half a removal is of no use.
 * @throws SidetrackError that lists what is left, after the last step.
 */
export async function executeAll(
  places: Places,
  steps: readonly Step[],
  { onStep, onSkipped }: ExecuteOptions = {},
): Promise<void> {
  const failures: string[] = [];
  for (const group of byHost(steps)) {
    onStep?.(group[0]!);
    await runAll(placeOf(places, group[0]!.host), group, (index, { status, stderr }) => {
      const step = group[index]!;
      if (status !== 0 && step.optional) onSkipped?.(step, stderr.trim());
      else if (status !== 0)
        failures.push(`${step.host}: ${step.title}: ${stderr.trim() || status}`);
      if (group[index + 1]) onStep?.(group[index + 1]!);
    });
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

function placeOf(places: Places, name: string): Place {
  const place = places.get(name);
  if (place !== undefined) return place;
  throw new SidetrackError(`no host "${name}"`, { code: 'no-host', source: 'bug' });
}

/**
 * Undoes `done` backwards, the failed step included: it may have acted before it failed.
 * @returns what could not be undone, as text.
 */
async function rollBack(places: Places, done: readonly Step[], failed?: Step): Promise<string[]> {
  const left: string[] = [];
  for (const group of byHost(done.toReversed())) {
    const place = placeOf(places, group[0]!.host);
    const undone = await undo(
      place,
      group.filter(({ remembers }) => !remembers),
      failed,
    );
    left.push(...undone);
    if (undone.length > 0) continue;
    const remembering = group.filter(({ remembers }) => remembers);
    left.push(...(await undo(place, remembering, failed)));
  }
  return left;
}

async function undo(place: Place, steps: readonly Step[], failed?: Step): Promise<string[]> {
  const commands = steps.flatMap((step) => step.undo.map((command) => ({ step, command })));
  const results = await runAll(
    place,
    commands.map(({ command }) => command),
  );
  const left: typeof commands = [];
  for (const [index, { step, command }] of commands.entries()) {
    const result = results[index]!;
    if (result.status === 0 || (await cureUndo(place, command, result))) continue;
    // The failed step usually did nothing, and then its undo has nothing to undo.
    if (step !== failed) left.push({ step, command });
  }
  return left.map(({ step: { host, title } }) => `${host}: ${title}`);
}

const isAbort = (cause: unknown): boolean =>
  cause instanceof DOMException && cause.name === 'AbortError';

const reasonOf = (cause: unknown): string =>
  isAbort(cause) ? 'interrupted' : String((cause as Error).message ?? cause);

/** What was put back, as the end of a sentence. */
function outcomeText({ left, unknown, reverted }: PutBack): string {
  if (left.length > 0)
    return [`not everything could be put back: ${left.join('; ')}`, ...unknown].join('; ');
  if (unknown.length > 0) return unknown.join('; ');
  return reverted ? 'every change was put back' : 'nothing was changed';
}

function stepError(
  cause: unknown,
  step: Step | undefined,
  outcome: PutBack,
  byHosts: boolean,
): SidetrackError {
  const known = cause instanceof SidetrackError ? cause : undefined;
  const where = step && !isAbort(cause) ? `${step.host}, step "${step.title}": ` : '';
  const partly = outcome.left.length > 0 || outcome.unknown.length > 0;
  const whole = byHosts && outcome.reverted ? 'reverted' : undefined;
  const became = partly ? 'reverted-in-part' : whole;
  const reason =
    known?.code === CHANGE_ENDED ? (outcome.why ?? reasonOf(cause)) : `${where}${reasonOf(cause)}`;
  return new SidetrackError(`${reason}; ${outcomeText(outcome)}`, {
    code: known?.code ?? (isAbort(cause) ? 'interrupted' : 'step-failed'),
    source: known?.source ?? 'host',
    ...(known?.hint !== undefined && { hint: known.hint }),
    ...(became && { outcome: became }),
    cause,
  });
}
