/** Hosts behind ssh: what is asked and done there, in how many round trips, and what is said when the way is odd. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Fixture } from './fixture.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines, program } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const CONFIG = `router:
  host: ssh://root@router
  interfaces: [br-lan]
servers:
  - name: server1
    host: ssh://admin@server1
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
`;

describe.skipIf(!canMakeMachines)('over ssh', () => {
  let fixture: Fixture;
  let machines: Machines;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    await machines.debian('server1');
  });
  afterAll(() => fixture?.stop());
  beforeEach(() => {
    fixture.configure(CONFIG);
    machines.replaceSsh(SSH());
  });

  const SSH = () => `exec ${program('ssh')} -F ${machines.own('config')} "$@"`;
  async function succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await machines.sidetrack(...args);
    if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  const sent = () => machines.own('sent');

  /** Writes down what is sent to each host. */
  function recordScripts(): void {
    rmSync(sent(), { force: true });
    machines.replaceSsh(`tee -a ${sent()} | ${SSH().replace('exec ', '')}`);
  }

  /** Each begins with its start boundary. */
  const roundTrips = () =>
    existsSync(sent()) ? readFileSync(sent(), 'utf8').split('\nframe start\n').length - 1 : 0;

  it('a plan is two round trips a host', async () => {
    recordScripts();
    expect(await succeed('plan')).toContain('Next: sidetrack apply');
    expect(roundTrips()).toBe(4);
  });

  it('both machines are set up, checked and put back from a third', async () => {
    const nodes = ['router', 'server1'];
    const before = await Promise.all(nodes.map((node) => snapshot(fixture.lab, node)));
    expect(await succeed('apply')).toContain('Done.');
    expect(await succeed('apply')).toContain('Nothing changes');
    await succeed('status');
    await succeed('down');
    expect(await Promise.all(nodes.map((node) => snapshot(fixture.lab, node)))).toEqual(before);
  });
});
