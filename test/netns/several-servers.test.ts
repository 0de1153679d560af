/** What commands say of servers that are silent, out of reach, or to be drained. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { labConfig } from '../../control/lab/demo.js';
import { labTopology } from '../../control/lab/topology.js';
import { Fixture, waitFor } from './fixture.js';

const TWO = labConfig(2);

/** Accepts connections and sends no heartbeats, as a relay of an earlier version does. */
const LISTEN = "require('node:net').createServer().listen(12345, '::')";
const IS_LISTENING = 'ss -Hltn "sport = :12345" | grep -q .';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await Fixture.start(labTopology(2));
});
afterAll(() => fixture?.stop());

it('a drain brings along nothing else of the file, is remembered by an apply, and taken back', async () => {
  fixture.configure(TWO);
  await fixture.succeed('apply');
  fixture.configure(`${TWO}on_failure: block\n`);
  const refused = await fixture.sidetrack('drain', 'server2');
  expect(refused).toMatchObject({ status: 2 });
  expect(refused.stderr).toMatch(
    /the router is not as .* has it.*\n?.*run `sidetrack apply` first/,
  );
  const drained = async () => {
    const { stdout } = await fixture.sidetrack('status', '--json', '--only', 'router');
    const { hosts } = JSON.parse(stdout) as {
      hosts: { servers: { server: string; drained: boolean }[] }[];
    };
    return hosts[0]!.servers.filter((one) => one.drained).map(({ server }) => server);
  };
  expect(await drained()).toEqual([]);

  await fixture.succeed('apply');
  expect(await fixture.succeed('drain', 'server2')).toContain('server2 gets no new flows');
  expect(await drained()).toEqual(['server2']);
  expect(await fixture.succeed('apply')).toContain('Nothing changes');
  expect(await drained()).toEqual(['server2']);
  await fixture.succeed('undrain', 'server2');
  expect(await drained()).toEqual([]);
});

it('status goes on without a server that is out of reach, and says why', async () => {
  fixture.configure(TWO.replace('netns://server2', 'netns://gone'));
  const { status, stdout } = await fixture.sidetrack('status');
  expect(status).toBe(1);
  expect(stdout).toMatch(/server2 \(netns:\/\/gone\): cannot be as configured\n {2}! .*gone/);
  expect(stdout).toMatch(/^server1 \(netns:\/\/server1\)/m);
  expect(stdout).toMatch(/^router \(netns:\/\/router\)/m);
  // What changes something needs all of them.
  expect((await fixture.sidetrack('apply')).status).toBe(1);
  fixture.configure(TWO);
  await fixture.succeed('down');
});

it('apply and status warn of a server that accepts and sends no heartbeats', async () => {
  fixture.hearsServers = true;
  fixture.configure(labConfig(1));
  const alone = await fixture.sidetrack('apply', '--only', 'server1');
  expect(alone.stderr).toContain('server1 gets a new key for its heartbeats');
  await fixture.succeed('down');

  const listener = fixture.lab.spawn('server1', [process.execPath, '-e', LISTEN]);
  await waitFor('the listener', async () => {
    return (await fixture.lab.run('server1', ['sh', '-c', IS_LISTENING])).status === 0;
  });
  const applied = await fixture.sidetrack('apply');
  expect(applied.status).toBe(0);
  expect(applied.stderr).toContain('the router has heard no heartbeat of server1');
  await waitFor('the router to go by it', async () => {
    const { stderr } = await fixture.sidetrack('status');
    return stderr.includes('server1 is given no new connections');
  });
  listener.signal('SIGTERM');
  await listener.exited;

  // With a relay there is nothing to warn of, and the first heartbeats are waited for.
  await fixture.succeed('down');
  await fixture.startRelay();
  const heard = await fixture.sidetrack('apply');
  expect(heard).toMatchObject({ status: 0 });
  expect(heard.stderr).not.toContain('heartbeat of server1');
});
