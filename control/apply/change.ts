/**
 * An apply that its hosts take back by themselves: armed before the first step, and kept or reverted on all of them
 * together. What is left on a host for that is `command/change-program.ts`.
 */
import { hostname, userInfo } from 'node:os';
import { arm, back, begin, confirm, countdown, layDown, readChange } from '../command/change.js';
import { CHANGE_PROGRAM } from '../command/change-program.js';
import type { Command, RunResult } from '../command/command.js';
import { parseAnswers } from '../command/query.js';
import { printable } from '../config/diagnostic.js';
import type { Session, Transport } from '../hosts/host.js';
import { type ChangeOwner, type ChangeState, changeQuery } from '../plan/change-state.js';
import { changeSteps } from '../plan/change-steps.js';
import type { HostState, ObservedHost } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import { stateUpdateUndo } from '../resources/saved-parts.js';
import { changeCommandError } from './change-ended.js';
import type { Method, PutBack } from './execute.js';
import { undoThere } from './nft-undo.js';
import { Final, patiently, pause } from './patience.js';
import type { Place } from './place.js';
import type { HostScript } from './run-script.js';
import { type Around, type Left, leftQueries, NOTHING_AROUND } from './save-state.js';

/** What has to work on a host for its change to be kept. */
export interface Trial {
  /** Before the change; what it prints says what is demanded. It never fails. */
  measure: Command;
  /** After it; nothing where nothing is demanded. */
  demand(measured: RunResult): Command | undefined;
  /** What does not work any more, in a few words. */
  failure(result: RunResult): string;
  /** What was demanded works. */
  passed(result: RunResult): void;
  /** Takes back what a try leaves that was cut off. */
  undo: readonly Command[];
}

/** What an apply does to one host. */
export interface HostChange {
  name: string;
  place: Place;
  steps: readonly Step[];
  desired: HostState;
  observed: ObservedHost;
  trial?: Trial | undefined;
}

export interface ChangeOptions {
  /** From the last step until the change is reverted. */
  seconds: number;
  signal?: AbortSignal | undefined;
  /** What is being waited for, for people. */
  onWait?: ((text: string) => void) | undefined;
}

/** A probe that fails so often is not about to work. */
const TRIES = 3;
const POLL_MS = 1000;
/** How long a session has that may be dead, before another one is tried. */
const SESSION_MS = 20_000;
/** Behind the deadline, for undoing and reading back. */
const REVERT_MS = 60_000;

export class Change implements Method {
  readonly left = new Map<string, Left>();
  readonly #demands = new Map<string, Command>();
  /** Those whose script has begun. */
  readonly #armed: HostChange[] = [];
  /** Those that have confirmed: they put nothing back by themselves any more. */
  readonly #kept = new Set<string>();
  #renewal: NodeJS.Timeout | undefined;

  constructor(
    readonly hosts: readonly HostChange[],
    private readonly options: ChangeOptions,
  ) {}

  scriptOf(name: string): HostScript {
    const one = this.hosts.find((host) => host.name === name)!;
    const { place, trial } = one;
    const { stateDir } = place.host;
    const queries = leftQueries(place.host, one.desired);
    const program = layDown(stateDir, CHANGE_PROGRAM, undoText(one));
    this.#armed.push(one);
    return {
      before: [
        ...(trial ? [trial.measure] : []),
        ...program,
        arm(stateDir, this.options.seconds, aboutUs()),
      ],
      begin: (number) => begin(stateDir, number),
      after: [
        countdown(stateDir),
        ...Object.values(queries).flatMap(({ commands }) => [...commands]),
      ],
      onBefore: ([measured]) => {
        const demand = trial && measured && trial.demand(measured);
        if (demand) this.#demands.set(name, demand);
      },
      onAfter: ([, ...answers]) => {
        this.left.set(name, parseAnswers(place.host, queries, answers));
        this.#renew();
      },
    };
  }

  /** What stands around the writing of a host's state. */
  aroundState(name: string): Around {
    const one = this.hosts.find((host) => host.name === name);
    if (one === undefined) return NOTHING_AROUND;
    const { place, steps } = one;
    const { stateDir } = place.host;
    return {
      before: [begin(stateDir, steps.length + 1)],
      after: [countdown(stateDir)],
      keepsStale: true,
    };
  }

  /** The deadlines of hosts that are done do not pass while others are still changed. */
  #renew(): void {
    const period = (this.options.seconds * 1000) / 3;
    this.#renewal ??= setInterval(() => {
      const done = this.#armed.filter(({ name }) => this.left.has(name));
      for (const { place } of done)
        place.session.batch([countdown(place.host.stateDir)]).catch(() => undefined);
    }, period);
  }

  /** @throws an error whose message says why the change is not kept */
  async keep(): Promise<void> {
    this.#stop();
    for (const host of this.hosts) {
      await this.#decide(host, confirm(host.place.host.stateDir));
      this.#kept.add(host.name);
    }
  }

  /** What has to work is tried over connections of their own, and then a person has to confirm. */
  async keepWhenConfirmed(): Promise<void> {
    this.#stop();
    for (const host of this.hosts) await this.#decide(host, { argv: ['true'] });
    await this.#waitForConfirm();
  }

  /** By a new connection, until the deadline. */
  async #decide({ name, place, trial }: HostChange, last: Command): Promise<void> {
    const demand = this.#demands.get(name);
    const commands = demand ? [demand, last] : [last];
    let failures = 0;
    const { seconds, signal } = this.options;
    await patiently(seconds * 1000, signal, async (timeoutMs) => {
      const results = await freshly(place, (way) =>
        way.batch(commands, { untilFailure: true, timeoutMs }),
      );
      const failed = results.at(-1)!;
      if (failed.status === 0) {
        if (demand) trial!.passed(results[0]!);
        return;
      }
      if (results.length === commands.length)
        throw new Final('', { cause: changeCommandError(place.host, last, failed) });
      failures++;
      const message = trial!.failure(failed);
      throw failures < TRIES ? new Error(message) : new Final(message);
    }).catch((error: unknown) => {
      if (error instanceof Final) throw error.cause ?? error;
      if (signal?.aborted) throw error;
      throw new Error(`no new connection within ${seconds} s: ${(error as Error).message}`);
    });
  }

  async #waitForConfirm(): Promise<void> {
    const waiting = new Set(this.hosts);
    while (waiting.size > 0) {
      for (const host of waiting) {
        const state = await read(host.place.session, host);
        if (state?.phase === 'confirmed') {
          waiting.delete(host);
          this.#kept.add(host.name);
        } else if (state?.phase !== 'pending')
          throw new Error(`${host.name}: ${state?.why ?? 'the change is gone'}`);
        else this.options.onWait?.(waitText(state));
      }
      if (waiting.size > 0) await pause(POLL_MS, this.options.signal);
    }
  }

  /** The router first, so that nothing is steered into the void. */
  async putBack(reason: string): Promise<PutBack> {
    this.#stop();
    // It may quote another host, and goes to this one's log and terminals.
    const told = printable(reason.replaceAll('\n', ' '));
    const outcome: PutBack = { left: [], unknown: [], reverted: false };
    for (const host of this.#armed.toReversed()) {
      const state = await this.#revert(host, told);
      if (state === 'unreachable')
        outcome.unknown.push(
          silentText(host.name, this.options.seconds, this.#kept.has(host.name)),
        );
      else outcome.left.push(...(state?.left ?? []).map((title) => `${host.name}: ${title}`));
      outcome.reverted ||= state !== undefined && state !== 'unreachable';
      if (state !== 'unreachable' && state?.why !== undefined && state.why !== told)
        outcome.why ??= `${host.name}: ${state.why}`;
    }
    return outcome;
  }

  async #revert(
    host: HostChange,
    reason: string,
  ): Promise<ChangeState | 'unreachable' | undefined> {
    const { place } = host;
    const commands = [back(place.host.stateDir, reason)];
    try {
      return await read(place.session, host, commands, SESSION_MS);
    } catch {
      this.options.onWait?.(silentText(host.name, this.options.seconds, this.#kept.has(host.name)));
    }
    // Without the session the host reverts at once, or at its deadline.
    await place.session.end();
    const budget = this.options.seconds * 1000 + REVERT_MS;
    return patiently(budget, undefined, (timeoutMs) =>
      freshly(place, (way) => read(way, host, commands, timeoutMs)),
    ).catch(() => 'unreachable' as const);
  }

  #stop(): void {
    clearInterval(this.#renewal);
    this.#renewal = undefined;
  }
}

/** All that the host needs to put the change back, or to tidy up when it is kept. */
function undoText({ steps, desired, observed, trial }: HostChange): string {
  const tries = trial?.undo ?? [];
  const { step, kept } = stateUpdateUndo(desired, observed);
  const done = steps.map((one) => ({ ...one, undo: one.undo.map(undoThere) }));
  return changeSteps([...done, { ...step, undo: [...step.undo, ...tries] }], [...kept, ...tries]);
}

/** Asked last of what is sent, and undefined where no change is. */
async function read(
  way: Pick<Session, 'batch'>,
  { place: { host } }: HostChange,
  first: readonly Command[] = [],
  timeoutMs = SESSION_MS,
): Promise<ChangeState | undefined> {
  const results = await way.batch([...first, readChange(host.stateDir)], { timeoutMs });
  const change = changeQuery(host);
  return parseAnswers(host, { change }, results.slice(first.length)).change;
}

async function freshly<T>({ host }: Place, work: (way: Transport) => Promise<T>): Promise<T> {
  const way = host.fresh();
  try {
    return await work(way);
  } finally {
    await way.close();
  }
}

/** Of a host that cannot be asked to put its change back. @param seconds from its last step on */
export const silentText = (name: string, seconds: number, kept: boolean): string =>
  kept
    ? `${name} does not answer, and has confirmed already: it keeps the change until \`sidetrack apply\` or \`sidetrack down\` reaches it`
    : `${name} does not answer: it puts everything back by itself within ${seconds} s of its last step`;

const waitText = ({ secondsLeft = 0 }: ChangeState): string =>
  `waiting for \`sidetrack confirm\`: in ${Math.max(0, secondsLeft)} s everything is put back`;

function aboutUs(): string {
  const owner: ChangeOwner = { machine: hostname(), user: userName(), pid: process.pid };
  return JSON.stringify(owner);
}

/** A user without an entry in the list of users has a number. */
function userName(): string {
  try {
    return process.env.SUDO_USER ?? userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
