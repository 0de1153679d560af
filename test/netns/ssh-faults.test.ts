/**
 * A change over ssh is stopped at every one of its moments by everything that can stop it: each machine ends in the state of
 * before or in the one that was asked for, the next command tells which, and works.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import { CLI, Fixture, waitFor } from './fixture.js';
import { sshConfig } from './machines/config.js';
import { FAULTS, type Fault, rememberSsh } from './machines/faults.js';
import { Gate } from './machines/gate.js';
import { LAPTOP, type MachineNode, Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const NODES = ['server1', 'router'] as const;
type Snapshots = Record<MachineNode, Record<string, string>>;

// No relay runs, so nothing may have to work through one.
const probed = '[]';
const mail = '  - { name: mail, proto: tcp, port: [25], action: direct }\n';
const NEW = sshConfig({ probed, rules: mail });
const OLD = sshConfig({ probed })
  .replace('[br-lan, lan2]', '[br-lan]')
  .replace('port: 12345', 'port: 12346');

/** What is there before, and which command is stopped with which file. */
const CHANGES = [
  { name: 'a first apply', before: undefined, verb: 'apply', config: OLD },
  { name: 'an update', before: OLD, verb: 'apply', config: NEW },
  { name: 'a down', before: OLD, verb: 'down', config: OLD },
] as const;
type Change = (typeof CHANGES)[number];

/** Seconds. A session that is cut off ends later. */
const CONFIRM_TIMEOUT = '5';
/** Until a session that is cut off is known to be, and its change is reverted. */
const SETTLE_MS = 60_000;
const QUIET_POLLS = 5;

const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
const seed = Number(process.env.SIDETRACK_SEED ?? Date.now() % 100_000);

let state = seed;
/** Below `end`; the numbers of Park and Miller. */
function random(end: number): number {
  state = ((state + 1) * 48_271) % 2_147_483_647;
  return state % end;
}

describe.skipIf(!canMakeMachines)(`faults in a change over ssh (SIDETRACK_SEED=${seed})`, () => {
  let fixture: Fixture;
  let machines: Machines;
  const gates = new Map<MachineNode, Gate>();
  /** What the machines look like with nothing, with OLD and with NEW. */
  const states = new Map<string | undefined, Snapshots>();

  /** How many moments each machine has in a change that nothing stops. */
  const lengths = new Map<Change, Record<MachineNode, number>>();

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    await machines.debian('server1');
    for (const node of NODES) gates.set(node, await Gate.install(machines.get(node)));
    states.set(undefined, await snapshots());
    fixture.configure(OLD);
    lengths.set(CHANGES[0], await lengthOf('apply'));
    states.set(OLD, await snapshots());
    fixture.configure(NEW);
    lengths.set(CHANGES[1], await lengthOf('apply'));
    states.set(NEW, await snapshots());
    fixture.configure(OLD);
    await succeed('apply');
    lengths.set(CHANGES[2], await lengthOf('down'));
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

  async function lengthOf(verb: 'apply' | 'down'): Promise<Record<MachineNode, number>> {
    for (const gate of gates.values()) gate.openAll();
    await succeed(verb);
    const count = (node: MachineNode) => gates.get(node)!.passed.length;
    return { router: count('router'), server1: count('server1') };
  }

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

  async function stopAt(change: Change, node: MachineNode, moment: number, fault: Fault) {
    await bring(change);
    for (const gate of gates.values()) gate.openAll();
    const gate = gates.get(node)!;
    gate.closeAt(moment);
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
    const at = gate.passed.at(-1);
    const scene = { fixture, machines, node, applying };
    await fault.strike(scene);
    gate.release();
    await settle();
    await fault.mend(scene);
    const status = await applying.exited;
    await settle();
    return { at, status, said };
  }

  async function expectSafe(change: Change, node: MachineNode, moment: number, fault: Fault) {
    const { at, status, said } = await stopAt(change, node, moment, fault);
    const context = `moment ${moment}: ${at}\nit ended with ${status} and said:\n${said}`;
    // Where something is left it is said; here nothing ever is.
    expect(status, context).not.toBe(4);
    expect(said, context).not.toContain('not everything could be put back');
    const found = await snapshots();
    const told = await machines.sidetrack('status');
    const story = `${context}\nstatus ${told.status}:\n${told.stdout}${told.stderr}`;
    expect(`${told.stdout}${told.stderr}`, story).toMatch(/as configured|not applied|was reverted/);
    expect(`${told.stdout}${told.stderr}`, story).not.toContain('could be put back');
    const nothing = states.get(undefined)!;
    const [before, after] = [
      states.get(change.before)!,
      states.get(change.verb === 'down' ? undefined : change.config)!,
    ];
    for (const one of NODES) {
      const lost = fault.name.includes('power') && one === node;
      const allowed = [before[one], after[one], ...(lost ? [nothing[one]] : [])];
      const nearest = allowed.find((state) => JSON.stringify(state) === JSON.stringify(found[one]));
      expect(nearest ?? found[one], `${one}, ${story}`).toEqual(nearest ?? before[one]);
    }
    for (const gate of gates.values()) gate.openAll();
    const again = await machines.sidetrack(change.verb);
    expect(again.status, `${story}\nagain: ${again.stderr}`).toBe(0);
    expect(await snapshots(), story).toEqual(after);
    await succeed('down');
    expect(await snapshots(), story).toEqual(nothing);
  }

  it.each(FAULTS)('$name at some moment of some change', async (fault) => {
    const change = pick(CHANGES);
    const node = pick(NODES);
    await expectSafe(change, node, 1 + random(lengths.get(change)![node]), fault);
  });

  describe.each(CHANGES)('$name', (change) => {
    it.each(FAULTS)('$name at each moment', { tags: 'long', timeout: 3_600_000 }, async (fault) => {
      const moments = lengths.get(change)!;
      for (const node of NODES)
        for (let moment = 1; moment <= moments[node]; moment++)
          await expectSafe(change, node, moment, fault);
    });
  });
});
