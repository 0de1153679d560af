/** A change that would cut the ssh connection by which it is made is refused before anything is sent. */
import { appendFileSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fixture } from './fixture.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

/** In a subnet of the same wire that the file does not name: the way there is by the router. */
const SECOND = '10.77.0.2';

const config = (rules: string) => `router:
  host: ssh://root@192.168.1.1
  interfaces: [br-lan, lan2]
servers:
  - name: server1
    host: ssh://root@${SECOND}
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    health: route
rules:
${rules}
`;

describe.skipIf(!canMakeMachines)('the management connection', () => {
  let fixture: Fixture;
  let machines: Machines;
  const nodes = ['router', 'server1'] as const;
  const state = () => Promise.all(nodes.map((node) => snapshot(fixture.lab, node)));

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    const address = (node: string, dev: string, text: string) =>
      fixture.lab.check(node, ['ip', 'address', 'add', text, 'dev', dev]);
    await address('server1', 'eth0', `${SECOND}/24`);
    await address('router', 'br-lan', '10.77.0.1/24');
    await machines.openWrt('router');
    await machines.debian('server1');
    const known = machines.own('known_hosts');
    const key = readFileSync(known, 'utf8')
      .split('\n')
      .find((line) => line.startsWith('192.168.1.2 '));
    appendFileSync(known, `${key!.replace('192.168.1.2', SECOND)}\n`);
  });
  afterAll(() => fixture?.stop());

  const ssh = () => machines.run(['ssh', '-o', 'BatchMode=yes', SECOND, 'echo "$SSH_CONNECTION"']);

  it('is refused with the rule that cuts it, and nothing is changed', async () => {
    expect(await ssh()).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/ 10\.77\.0\.2 22\n$/),
    });
    const before = await state();
    fixture.configure(config('  - { name: no-ssh, port: 22, action: block }'));
    for (const command of ['plan', 'apply']) {
      const { status, stderr } = await machines.sidetrack(command);
      expect({ status, stderr }).toMatchObject({ status: 2 });
      const line = fixture.classifier === 'nftables' ? 11 : 13;
      expect(stderr).toMatch(
        new RegExp(
          `error: ${fixture.configFile}:${line}:5: rule "no-ssh" would drop the connection by which server1 is managed \\(192\\.168\\.1\\.10:\\d+ to 10\\.77\\.0\\.2:22, in by br-lan\\)`,
        ),
      );
      expect(stderr).toContain('- { name: management, to: [10.77.0.2], port: 22, action: direct }');
    }
    expect(await state()).toEqual(before);
  });

  it('is let through by the rule that was asked for', async () => {
    fixture.configure(
      config(`  - { name: management, to: [${SECOND}], port: 22, action: direct }
  - { name: no-ssh, port: 22, action: block }`),
    );
    const { status, stderr } = await machines.sidetrack('plan');
    expect({ status, stderr }).toMatchObject({
      status: 0,
      stderr: expect.not.stringContaining('managed'),
    });
  });

  it('would be cut for real: the check knows what the packets meet', async () => {
    fixture.configure(
      config('  - { name: no-ssh, port: 22, action: block }')
        .replaceAll('ssh://root@192.168.1.1', 'netns://router')
        .replace(`ssh://root@${SECOND}`, 'netns://server1'),
    );
    await fixture.succeed('apply');
    // The router has told the laptop of the short way (ICMP redirect), which holds for some minutes.
    await fixture.lab.check('client', ['ip', 'route', 'flush', 'cache']);
    const cut = await machines.run([
      'ssh',
      '-o',
      'BatchMode=yes',
      '-o',
      'ConnectTimeout=2',
      SECOND,
      'true',
    ]);
    expect(cut).toMatchObject({ status: 255 });
    await fixture.succeed('down');
    expect((await ssh()).status).toBe(0);
  });
});
