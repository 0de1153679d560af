/** A host's steps as one script in its session, and what is tried where one of them fails. */
import { commandError } from '../command/answer.js';
import type { Command, RunResult } from '../command/command.js';
import type { Session } from '../hosts/host.js';
import type { Step } from '../plan/step.js';
import { changeCommandError } from './change-ended.js';
import { cureNftStep, isNft } from './nft-step.js';
import type { Place } from './place.js';

/** What stands around the steps. */
export interface HostScript {
  /** Where one of these fails, no step runs. */
  before: readonly Command[];
  /** In front of each step. @param number from 1 */
  begin?(number: number): Command;
  /** Behind the last step; each runs, whatever the others say. */
  after: readonly Command[];
  onBefore?(results: readonly RunResult[]): void;
  onAfter?(results: readonly RunResult[]): void;
}

export interface StepEvents {
  onBegin(step: Step): void;
  onDone(step: Step): void;
  onSkipped(step: Step, reason: string): void;
}

interface Item {
  command: Command;
  part: 'before' | 'begin' | 'step' | 'after';
  step?: Step;
}

/** The time of one command, which is far more than it takes. */
const COMMAND_MS = 300_000;

/**
 * One round trip, and one more for each step that is cured or skipped.
 * @throws SidetrackError of the step that failed; nothing runs behind it
 */
export async function runScript(
  place: Place,
  steps: readonly Step[],
  script: HostScript,
  events: StepEvents,
): Promise<void> {
  const items = itemsOf(steps, script);
  const results: RunResult[] = [];
  while (results.length < items.length) {
    const rest = items.slice(results.length);
    const told = announcer(rest, events);
    const part = await place.session.batch(
      rest.map(({ command }) => command),
      { untilFailure: true, timeoutMs: rest.length * COMMAND_MS, onResult: told },
    );
    results.push(...part);
    const [item, result] = [items[results.length - 1], part.at(-1)];
    if (item && result && result.status !== 0) await answerFailure(place, item, result, events);
  }
  const resultsOf = (wanted: Item['part']) =>
    results.filter((_, index) => items[index]!.part === wanted);
  script.onBefore?.(resultsOf('before'));
  script.onAfter?.(resultsOf('after'));
}

function itemsOf(steps: readonly Step[], { before, begin, after }: HostScript): Item[] {
  return [
    ...before.map((command) => ({ command, part: 'before' as const })),
    ...steps.flatMap((step, index) => [
      ...(begin ? [{ command: begin(index + 1), part: 'begin' as const, step }] : []),
      { command: step, part: 'step' as const, step },
    ]),
    ...after.map((command) => ({ command, part: 'after' as const })),
  ];
}

/** A step begins when what stands in front of it has succeeded. */
function announcer(items: readonly Item[], { onBegin, onDone }: StepEvents) {
  const begun = new Set<Step>();
  const announce = (item: Item | undefined) => {
    if (item?.step === undefined || begun.has(item.step)) return;
    begun.add(item.step);
    onBegin(item.step);
  };
  announce(items[0]);
  return (index: number, { status }: RunResult) => {
    const { part, step } = items[index]!;
    if (status !== 0) return;
    if (part === 'step') onDone(step!);
    announce(items[index + 1]);
  };
}

/** @throws SidetrackError where there is no going on */
async function answerFailure(
  { host, session }: Place,
  { command, part, step }: Item,
  result: RunResult,
  { onDone, onSkipped }: StepEvents,
): Promise<void> {
  if (part === 'after') return;
  try {
    if (part === 'begin') throw changeCommandError(host, command, result);
    if (part !== 'step' || !isNft(command)) throw commandError(host, command, result);
    await cureNftStep({ host, session }, step!, result);
    onDone(step!);
  } catch (error) {
    if (part !== 'step' || !step!.optional) throw error;
    onSkipped(step!, (error as Error).message);
  }
}

/**
 * Runs every command even if one fails, or takes the session along: a time-out, or no memory for a program, is a
 * failure like any other. What has arrived there runs to its end, also without us.
 * @returns as many results as there are commands
 */
export async function runAll(
  { host, session }: Place,
  commands: readonly Command[],
  onResult: (index: number, result: RunResult) => void = () => {},
): Promise<RunResult[]> {
  const results: RunResult[] = [];
  const note = (result: RunResult) => onResult(results.push(result) - 1, result);
  const failed = (error: unknown) =>
    note({ status: 1, stdout: '', stderr: (error as Error).message });
  let way: Pick<Session, 'batch'> = session;
  while (results.length < commands.length) {
    const before = results.length;
    try {
      await way.batch(commands.slice(before), {
        endures: true,
        onResult: (_, result) => note(result),
      });
    } catch (error) {
      failed(error);
      // There is no way there any more.
      while (way !== session && results.length - 1 === before && results.length < commands.length)
        failed(error);
      way = host;
    }
  }
  return results;
}
