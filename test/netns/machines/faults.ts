/** What goes wrong while a change is being made, from outside of everything that takes part in it. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { LabProcess } from '../../../control/lab/lab.js';
import type { Fixture } from '../fixture.js';
import { LAPTOP, type MachineNode, type Machines } from './machines.js';

/** What a fault acts on. */
export interface Scene {
  fixture: Fixture;
  machines: Machines;
  /** Where the change stands still. */
  node: MachineNode;
  /** The applying process. */
  applying: LabProcess;
}

export interface Fault {
  name: string;
  strike(scene: Scene): Promise<void>;
  /** When the change has ended one way or another, or cannot go on before. */
  mend(scene: Scene): Promise<void>;
}

const nothing = async () => undefined;

/** Packets between the laptop and a machine; nothing tells either of them. */
const CUT = `table inet cut {
  chain in { type filter hook input priority 0; iif != lo drop; }
  chain out { type filter hook output priority 0; oif != lo drop; }
}`;

export const FAULTS = {
  killed: {
    name: 'the applying process is killed',
    strike: async ({ applying }) => {
      applying.signal('SIGKILL');
      await applying.exited;
    },
    mend: nothing,
  },
  sessionsKilled: {
    name: 'every ssh of the laptop is killed',
    strike: async ({ machines, fixture }) => {
      const pids = readFileSync(machines.own('pids'), 'utf8').trim().split('\n');
      const script = 'for pid; do kill -9 "$pid" 2>/dev/null; done; :';
      await fixture.lab.check(undefined, ['sh', '-c', script, 'sh', ...pids]);
    },
    mend: nothing,
  },
  cut: {
    name: 'the network between is cut',
    strike: async ({ fixture }) => {
      await fixture.lab.check(LAPTOP, ['nft', '-f', '-'], { stdin: CUT });
    },
    mend: async ({ fixture }) => {
      await fixture.lab.check(LAPTOP, ['nft', 'delete', 'table', 'inet', 'cut']);
    },
  },
  powerLost: {
    name: 'the machine loses power',
    strike: async ({ machines, node }) => {
      const machine = machines.get(node);
      await machines.losePower(node);
      await machines.restorePower(machine);
    },
    mend: nothing,
  },
} satisfies Readonly<Record<string, Fault>>;

/** Every `ssh` that starts from now on is remembered, so that it can be killed. */
export function rememberSsh(machines: Machines): void {
  writeFileSync(machines.own('pids'), '');
  machines.useSsh(`echo $$ >>${machines.own('pids')}`);
}
