/** The README's way: the same file on both machines, each applied on the machine itself. */
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLI, FAMILIES, Fixture, url } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { leftovers, snapshot } from './snapshot.js';

const CONNECT = join(dirname(CLI), '../hosts/connect.js');

let fixture: Fixture;
const CONFIG = `router:
  host: local
  interfaces: [br-lan]
servers:
  - name: server1
    host: local
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    mac: 02:00:00:00:01:02
`;

beforeAll(async () => {
  fixture = await Fixture.start();
  fixture.configure(CONFIG);
});
afterAll(() => fixture?.stop());

/** Nodes share the lab's /run and its first process; real machines do not. */
function onMachine(node: string, ...args: string[]): Promise<RunResult> {
  const own = `mkdir -p /run/of-${node} /run/sidetrack && mount --bind /run/of-${node} /run/sidetrack && exec "$@"`;
  const alone = ['unshare', '--mount', '--pid', '--fork', '--mount-proc'];
  return fixture.sidetrackPrefixedOn(node, [...alone, 'sh', '-c', own, 'sh'], ...args);
}

it('works end to end, names the table, and goes away without a trace', async () => {
  const before = await Promise.all(
    ['router', 'server1'].map((node) => snapshot(fixture.lab, node)),
  );
  for (const node of ['server1', 'router']) {
    const { status, stdout, stderr } = await onMachine(node, 'apply', '--only', node);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout).toContain('Done.');
    expect((await onMachine(node, 'apply', '--only', node)).stdout).toContain('Nothing changes');
    expect((await onMachine(node, 'status', '--only', node)).status).toBe(0);
  }
  const named = await fixture.lab.check('router', ['ip', 'route', 'show', 'table', 'server1']);
  expect(named).toContain('default via 192.168.1.2 dev br-lan');
  await fixture.startRelay();
  for (const family of FAMILIES) {
    const { digest } = await fixture.download(
      'client',
      url(ADDRESS.internet[family], '/bytes/70000'),
    );
    expect(digest).toBe(pseudoRandomDigest(70_000));
  }
  expect(await fixture.metric('sidetrack_relay_connections_total{family="ipv6"}')).toBe(1);
  for (const node of ['router', 'server1'])
    expect((await onMachine(node, 'down', '--only', node)).status).toBe(0);
  const after = await Promise.all(['router', 'server1'].map((node) => snapshot(fixture.lab, node)));
  expect(after).toEqual(before);
  expect(
    (await fixture.lab.run('router', ['ip', 'route', 'show', 'table', 'server1'])).status,
  ).not.toBe(0);
});

it('works on two namespaces of one machine that share /run and /etc, each with its own state', async () => {
  const nodes = ['server1', 'router'];
  await fixture.lab.check(undefined, ['ln', '-s', '/nowhere', '/run/netns/a-dangling-one']);
  const before = await Promise.all(nodes.map((node) => snapshot(fixture.lab, node)));
  for (const node of nodes)
    expect((await fixture.sidetrackOn(node, 'apply', '--only', node)).status).toBe(0);
  for (const node of nodes)
    expect(await fixture.sidetrackOn(node, 'status', '--only', node)).toMatchObject({ status: 0 });
  fixture.configure(CONFIG.replace('host: local', 'host: netns://router'));
  expect(await fixture.sidetrackOn('server1', 'status', '--only', 'router')).toMatchObject({
    status: 0,
  });
  fixture.configure(CONFIG);
  for (const node of nodes)
    expect((await fixture.sidetrackOn(node, 'down', '--only', node)).status).toBe(0);
  expect(await Promise.all(nodes.map((node) => snapshot(fixture.lab, node)))).toEqual(before);
  expect(await leftovers(fixture.lab)).toBe('');
});

it('gives a namespace without a name a number', async () => {
  const script = `import('${CONNECT}').then(async ({ connect }) => console.log(JSON.stringify(await connect({ kind: 'local' }))))`;
  const argv = ['unshare', '--net', process.execPath, '-e', script];
  expect(JSON.parse(await fixture.lab.check('router', argv))).toMatchObject({
    stateDir: expect.stringMatching(/^\/run\/sidetrack\/netns\/\d{10}$/),
    bpfDirectory: expect.stringMatching(/^\/sys\/fs\/bpf\/sidetrack-netns-\d{10}$/),
  });
});

it('both at once on one machine is refused with the way out', async () => {
  const { status, stderr } = await onMachine('router', 'apply');
  expect(status).toBe(2);
  expect(stderr).toContain('--only router');
});
