/**
 * A change over ssh is stopped at every one of its moments by everything that can stop it: each machine ends in the state of
 * before or in the one that was asked for, the next command tells which, and works.
 */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import { CLI, Fixture, waitFor } from './fixture.js';
import { FAULTS, type Fault, rememberSsh } from './machines/faults.js';
import { Gate } from './machines/gate.js';
import { LAPTOP, type MachineNode, Machines } from './machines/machines.js';
import {
  CHANGES,
  type Change,
  type ChosenMoment,
  LONGER,
  type Moment,
  NEW,
  NODES,
  OLD,
  SHORT,
} from './machines/moments.js';
import { canMakeMachines } from './machines/programs.js';
import { expectedOf, progressOf, toldOf } from './machines/told.js';
import { snapshot } from './snapshot.js';

type Snapshots = Record<MachineNode, Record<string, string>>;

/** Seconds. A session that is cut off ends later. */
const CONFIRM_TIMEOUT = '5';
/** Until a session that is cut off is known to be, and its change is reverted. */
const SETTLE_MS = 60_000;
const QUIET_POLLS = 5;
/** Of one moment, on a busy machine. */
const MOMENT_MS = 300_000;

/** `router:41,server1:3`: of the long tests these moments alone, as a failure names them. */
const CHOSEN = process.env.SIDETRACK_MOMENTS?.split(',');

describe.skipIf(!canMakeMachines)('faults in a change over ssh', () => {
  let fixture: Fixture;
  let machines: Machines;
  const gates = new Map<MachineNode, Gate>();
  /** What the machines look like with nothing, with OLD and with NEW. */
  const states = new Map<string | undefined, Snapshots>();

  /** What each machine passes in a change that nothing stops. */
  const moments = new Map<Change, Record<MachineNode, readonly string[]>>();

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    await machines.debian('server1');
    for (const node of NODES) gates.set(node, await Gate.install(machines.get(node)));
    states.set(undefined, await snapshots());
    fixture.configure(OLD);
    moments.set(CHANGES[0], await momentsOf('apply'));
    states.set(OLD, await snapshots());
    fixture.configure(NEW);
    moments.set(CHANGES[1], await momentsOf('apply'));
    states.set(NEW, await snapshots());
    fixture.configure(OLD);
    await succeed('apply');
    moments.set(CHANGES[2], await momentsOf('down'));
    expect(await snapshots()).toEqual(states.get(undefined));
  });
  afterAll(() => fixture?.stop());

  async function snapshots(): Promise<Snapshots> {
    const [server1, router] = await Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));
    return { server1: server1!, router: router! };
  }

  async function succeed(...args: string[]): Promise<RunResult> {
    const result = await machines.sidetrack(...args);
    if (result.status !== 0) throw new Error(`${args.join(' ')}: ${result.stderr}${result.stdout}`);
    return result;
  }

  async function bring({ before, config }: Change): Promise<void> {
    if (before !== undefined) {
      fixture.configure(before);
      await succeed('apply');
    }
    fixture.configure(config);
  }

  async function momentsOf(
    verb: 'apply' | 'down',
  ): Promise<Record<MachineNode, readonly string[]>> {
    for (const gate of gates.values()) gate.openAll();
    await succeed(verb);
    return passed();
  }

  const passed = (): Record<MachineNode, readonly string[]> => ({
    router: gates.get('router')!.passed,
    server1: gates.get('server1')!.passed,
  });

  /** Nothing of a change runs on the machines any more; between two programs it may look so for a moment. */
  async function settle(): Promise<void> {
    let quiet = 0;
    await waitFor(
      'the change to end on both',
      async () => {
        const running = await Promise.all(
          NODES.flatMap((node) =>
            ['change/program', 'gate.d'].map((words) => machines.get(node).processes(words)),
          ),
        );
        quiet = running.flat().length === 0 ? quiet + 1 : 0;
        return quiet === QUIET_POLLS;
      },
      SETTLE_MS,
    );
  }

  async function stopAt({ change, node, at }: Moment, fault: Fault) {
    await bring(change);
    for (const gate of gates.values()) gate.openAll();
    const gate = gates.get(node)!;
    gate.closeAt(at);
    rememberSsh(machines);
    const options = change.verb === 'apply' ? ['--confirm-timeout', CONFIRM_TIMEOUT] : [];
    const argv = [process.execPath, CLI, change.verb, ...options, '-c', fixture.configFile];
    const applying = fixture.lab.spawn(LAPTOP, argv, { env: machines.environment });
    let said = '';
    for (const stream of [applying.child.stdout!, applying.child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        said += chunk;
      });
    await gate.reached(applying.exited);
    const reached = gate.passed.at(-1);
    const scene = { fixture, machines, node, applying };
    await fault.strike(scene);
    gate.release();
    await settle();
    await fault.mend(scene);
    const status = await applying.exited;
    await settle();
    return { reached, status, said, passed: passed() };
  }

  async function expectSafe(moment: Moment, fault: Fault) {
    const { change, node, at } = moment;
    const { reached, status, said, passed } = await stopAt(moment, fault);
    const scene = `moment ${node}:${at} of '${change.name}', ${reached}, when '${fault.name}'`;
    const context = `${scene}\nit ended with ${status} and said:\n${said}`;
    // Where something is left it is said; here nothing ever is.
    expect(status, context).not.toBe(4);
    expect(said, context).not.toContain('not everything could be put back');
    const found = await snapshots();
    const told = await machines.sidetrack('status', '--json');
    const story = `${context}\nstatus ${told.status}:\n${told.stdout}${told.stderr}`;
    expect(told.stdout, story).not.toContain('could be put back');
    const [nothing, configured] = [states.get(undefined)!, states.get(change.config)!];
    const before = states.get(change.before)!;
    const after = change.verb === 'down' ? nothing : configured;
    for (const one of NODES) {
      const lost = fault === FAULTS.powerLost && one === node;
      const allowed = lost ? [nothing[one]] : [before[one], after[one]];
      const nearest = allowed.find((state) => isDeepStrictEqual(state, found[one]));
      expect(nearest ?? found[one], `${one}, ${story}`).toEqual(nearest ?? allowed[0]);
      expect(toldOf(told.stdout, one), `${one}, ${story}`).toEqual(
        expectedOf({
          isNothing: isDeepStrictEqual(nearest, nothing[one]),
          isConfigured: isDeepStrictEqual(nearest, configured[one]),
          progress: lost || nearest === after[one] ? 'none' : progressOf(passed[one]),
        }),
      );
    }
    expect(told.status, story).toBe(isDeepStrictEqual(found, configured) ? 0 : 1);
    for (const gate of gates.values()) gate.openAll();
    const again = await machines.sidetrack(change.verb);
    expect(again.status, `${story}\nagain: ${again.stderr}`).toBe(0);
    expect(await snapshots(), story).toEqual(after);
    await succeed('down');
    expect(await snapshots(), story).toEqual(nothing);
  }

  const named = (all: readonly ChosenMoment[]) =>
    all.map(([fault, name, node, text]) => ({ fault, name, node, text }));
  type Named = ReturnType<typeof named>[number];
  const STOPPED = '$fault.name in $name, on $node $text';
  const stopped = async ({ fault, name, node, text }: Named) => {
    const change = CHANGES.find((one) => one.name === name)!;
    await expectSafe({ change, node, at: text }, fault);
  };
  it.each(named(SHORT))(STOPPED, { timeout: MOMENT_MS }, stopped);
  it.each(named(LONGER))(STOPPED, { tags: 'long', timeout: MOMENT_MS }, stopped);

  function momentsToTry(change: Change): Moment[] {
    const all = NODES.flatMap((node) =>
      moments.get(change)![node].map((_, index) => ({ change, node, at: index + 1 })),
    );
    return all.filter(({ node, at }) => CHOSEN?.includes(`${node}:${at}`) ?? true);
  }

  describe.each(CHANGES)('$name', (change) => {
    it.each(Object.values(FAULTS))(
      '$name at each moment',
      { tags: 'long', timeout: 7_200_000 },
      async (fault) => {
        const tried = momentsToTry(change);
        expect(tried).not.toHaveLength(0);
        for (const moment of tried) await expectSafe(moment, fault);
      },
    );
  });
});
