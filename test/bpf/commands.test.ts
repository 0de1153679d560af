/** `sidetrack bpf …` as a user runs it on the router. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeHeartbeat, heartbeatSecrets } from '../../control/heartbeat/message.js';
import { ADDRESS } from '../../control/lab/topology.js';
import {
  type ClassifierSpec,
  classifierSpec,
  type SpecSteering,
  type SpecTarget,
} from '../../control/policy/classifier-spec.js';
import { PrefixSet } from '../../control/policy/prefix-set.js';
import type { Policy } from '../../control/policy/rule.js';
import { SteeringLab } from './lab.js';

const CLI = fileURLToPath(new URL('../../build/control/cli/main.js', import.meta.url));
const DIRECTORY = '/run/bpf/sidetrack';
const INTERNET = ADDRESS.internet;

const POLICY: Policy = {
  rules: [
    { name: 'guard:local', to: PrefixSet.parse('192.168.1.1', 'fd00:1::1'), action: 'direct' },
    { name: 'mail', proto: 'tcp', ports: [{ first: 25, last: 25 }], action: 'direct' },
    { name: 'rest', proto: 'tcp', action: 'proxy' },
  ],
  default: 'direct',
};

const input = (policy: Policy, changes: Partial<ClassifierSpec> = {}): string =>
  JSON.stringify({
    ...classifierSpec(policy, {
      interfaces: ['br-lan', 'lan2'],
      forwarding: 'mark',
      targets: [
        {
          serverInterface: { v4: 'br-lan', v6: 'br-lan' },
          nextHop: ADDRESS.server1,
          macs: ['02:00:00:00:01:02'],
          mark: { value: 0x96, mask: 0xff },
        },
      ],
      flowTableSize: 1024,
      onFailure: 'direct',
    }),
    ...changes,
  });

const DIRECT_ALL: Policy = { rules: [], default: 'direct' };

let steering: SteeringLab;
beforeAll(async () => {
  steering = await SteeringLab.start();
});
afterAll(() => steering?.stop());

function bpf(stdin: string, ...args: string[]) {
  const argv = [process.execPath, CLI, 'bpf', ...args, '--directory', DIRECTORY];
  return steering.lab.run('router', argv, { stdin });
}

async function succeed(stdin: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await bpf(stdin, ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

it('attach, show, stats and detach', async () => {
  expect((await bpf('', 'show')).stdout).toBe('The ebpf classifier is not attached.\n');
  expect(await succeed(input(POLICY), 'attach', '--dry-run')).toContain('Could be attached to');
  expect((await bpf('', 'show')).status).toBe(1);
  expect(await succeed(input(POLICY), 'attach', '--digest', 'abc')).toBe(
    'Attached to br-lan, lan2: 3 rules and guards.\n',
  );
  expect(JSON.parse(await succeed('', 'show', '--json'))).toMatchObject({
    digest: 'abc',
    outdated: false,
    interfaces: [
      { name: 'br-lan', filter: 'attached' },
      { name: 'lan2', filter: 'attached' },
    ],
  });
  expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
  expect(await steering.whoAnswers('client', INTERNET.v4, 25)).toBe('internet');
  expect(await succeed('', 'stats')).toMatch(/rest +1 /);
  expect(JSON.parse(await succeed('', 'show', '--json')).flows).toEqual({ v4: 1, v6: 0 });
  expect(await succeed('', 'detach')).toContain('Detached');
  expect(await steering.pins()).toBe('');
  expect((await bpf('', 'stats')).stderr).toContain('not attached');
});

it('says that counters are of another version, and the next attach counts anew', async () => {
  await succeed(input(POLICY), 'attach');
  // Counters of fewer things.
  const argv = ['mv', '-f', `${DIRECTORY}/rule_counters`, `${DIRECTORY}/counters`];
  await steering.lab.check('router', argv);
  const { status, stderr } = await bpf('', 'stats');
  expect(status).toBe(2);
  expect(stderr).toMatch(/of another version of sidetrack.*hint: .*sidetrack apply/s);
  await succeed(input(POLICY), 'attach');
  expect(await succeed('', 'stats')).toContain('rest');
  await succeed('', 'detach');
});

it('a flow table of another size keeps every live flow', async () => {
  for (const family of ['v4', 'v6'] as const) {
    await succeed(input(POLICY), 'attach');
    const stream = steering.stream('client', INTERNET[family]);
    let said = '';
    stream.child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    await expect.poll(() => said).toContain('server1');
    await succeed(input({ rules: [], default: 'direct' }, { flowTableSize: 4096 }), 'attach');
    const state = JSON.parse(await succeed('', 'show', '--json'));
    expect(state.flowTable).toEqual({ v4: 4096, v6: 4096 });
    expect(state.flows[family]).toBeGreaterThan(0);
    const length = said.length;
    await expect.poll(() => said.length).toBeGreaterThan(length + 100);
    expect(said).not.toContain('internet');
    stream.signal('SIGTERM');
    await succeed('', 'detach');
  }
});

const KEYS = { s1: heartbeatSecrets('11'.repeat(32)), s2: heartbeatSecrets('22'.repeat(32)) };

/** s1 among the clients; s2 is client2, behind an interface where no client is. */
function twoServers(changes: Partial<SpecSteering> = {}): string {
  const targetOf = (name: keyof typeof KEYS, nextHop: { v4: string }, dev: string): SpecTarget => ({
    name,
    nextHop,
    serverInterface: { v4: dev },
    macs: [],
    mark: { value: name === 's1' ? 0x96 : 0x97, mask: 0xff },
    health: 'heartbeat',
    backup: name === 's2',
    heartbeat: { address: nextHop, siphashKey: KEYS[name].siphashKey, macFixed: false },
  });
  const policy = { ...POLICY, groups: [{ targets: [0, 1] }] };
  return JSON.stringify(
    classifierSpec(policy, {
      interfaces: ['br-lan'],
      forwarding: 'mark',
      targets: [
        targetOf('s1', { v4: ADDRESS.server1.v4 }, 'br-lan'),
        targetOf('s2', { v4: ADDRESS.client2.v4 }, 'lan2'),
      ],
      heartbeats: { port: 9155, rise: 2, resetAfterSeconds: 10 },
      flowTableSize: 1024,
      onFailure: 'direct',
      ...changes,
    }),
  );
}

/** One heartbeat, from where the server is. */
async function beat(name: keyof typeof KEYS, counter: number, fit6 = true): Promise<void> {
  const [node, router] = name === 's1' ? ['server1', '192.168.1.1'] : ['client2', '192.168.2.1'];
  const said = { counter: BigInt(counter), fit4: true, fit6, leaving: false } as const;
  const payload = encodeHeartbeat({ ...said, reason: 'ok' }, KEYS[name]).toString('hex');
  const send = `const s = require('node:dgram').createSocket('udp4');
    s.send(Buffer.from('${payload}', 'hex'), 9155, '${router}', () => s.close());`;
  await steering.lab.check(node, [process.execPath, '-e', send]);
}

const servers = async () => JSON.parse(await succeed('', 'show', '--json')).servers;

it('hears servers on both kinds of interfaces, and a re-attach forgets nothing', async () => {
  await succeed(twoServers(), 'attach');
  // Both are believed in for some seconds, of which a busy machine may have needed all.
  const first = expect.toBeOneOf(['alive', 'unknown']);
  expect(JSON.parse(await succeed('', 'show', '--json'))).toMatchObject({
    interfaces: [{ name: 'br-lan', filter: 'attached' }],
    listening: [{ name: 'lan2', filter: 'attached' }],
    servers: [
      { server: 's1', families: { 4: first } },
      { server: 's2', families: { 4: first } },
    ],
  });
  for (const counter of [1, 2]) {
    await beat('s1', counter);
    await beat('s2', counter);
  }
  await expect.poll(servers).toMatchObject([
    { server: 's1', reason: 'ok', ignored: { replay: 0 } },
    { server: 's2', reason: 'ok', ignored: { replay: 0 } },
  ]);
  await succeed(twoServers({ onFailure: 'block' }), 'attach');
  for (const name of ['s1', 's2'] as const) await beat(name, 2);
  await expect.poll(servers).toMatchObject([
    { server: 's1', reason: 'ok', ignored: { replay: 1 } },
    { server: 's2', reason: 'ok', ignored: { replay: 1 } },
  ]);
  expect(await succeed('', 'stats')).toMatch(/^s2 .* 1 replay/m);
  expect(await succeed('', 'show')).toMatch(/^s1 .* s ago/m);
  // lan2 has clients now: the other program is there in its place.
  await succeed(twoServers({ interfaces: ['br-lan', 'lan2'] }), 'attach');
  const state = JSON.parse(await succeed('', 'show', '--json'));
  expect(state.listening).toBeUndefined();
  expect(state.interfaces).toHaveLength(2);
  await beat('s2', 3);
  await expect.poll(async () => (await servers())[1].lastHeardSeconds).toBeLessThan(30);
  await succeed('', 'detach');
  expect(await steering.pins()).toBe('');
});

it('leaves flows to on_failure when every server is silent', async () => {
  await succeed(twoServers(), 'attach');
  // Nothing is known of either: both are believed in, and s1 is first.
  expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
  const stats = async () => JSON.parse(await succeed('', 'stats', '--json')).events;
  // Nobody beats: after five seconds there is no server, and on_failure says direct.
  await expect
    .poll(() => steering.whoAnswers('client', INTERNET.v4), { timeout: 30_000, interval: 500 })
    .toBe('internet');
  expect((await stats()).no_server).toBeGreaterThan(0);
  await succeed('', 'detach');
});

/** An nft that knows no table for as many questions as `answers`, and then fails. */
async function brokenNft(answers: number): Promise<string> {
  const directory = '/run/broken-nft';
  const script = `#!/bin/sh
echo x >> ${directory}/asked
if [ "$(wc -l < ${directory}/asked)" -le ${answers} ]; then
  echo "Error: No such file or directory" >&2
else
  echo "netlink: Error: cache initialization failed: Operation not permitted" >&2
fi
exit 1`;
  await steering.sh('router', `rm -rf ${directory}; mkdir -p ${directory}`);
  await steering.lab.check('router', ['tee', `${directory}/nft`], { stdin: script });
  await steering.sh('router', `chmod 755 ${directory}/nft`);
  return directory;
}

it('a take-over from an nft that fails changes nothing, and says why', async () => {
  const attach = async (answers: number) => {
    const env = ['env', `PATH=${await brokenNft(answers)}:${process.env.PATH}`];
    const argv = [process.execPath, CLI, 'bpf', 'attach', '--take-over', '--directory', DIRECTORY];
    const { status, stderr } = await steering.lab.run('router', [...env, ...argv], {
      stdin: input(DIRECT_ALL),
    });
    expect(status).toBe(1);
    expect(stderr).toContain('cannot read the live flows of the nftables classifier');
    expect(stderr).toContain('Operation not permitted');
  };
  const filters = () => steering.sh('router', 'tc filter show dev br-lan ingress');
  // Before the first filter, and after the last one: none of ours was there.
  for (const answers of [0, 4]) {
    await attach(answers);
    expect(await steering.pins()).toBe('');
    expect(await filters()).toBe('');
  }
  // With a program set in force, that one stays.
  await succeed(input(POLICY), 'attach', '--digest', 'old');
  const before = await filters();
  for (const answers of [0, 4]) {
    await attach(answers);
    expect(await filters()).toBe(before);
    expect(JSON.parse(await succeed('', 'show', '--json'))).toMatchObject({ digest: 'old' });
  }
  await succeed('', 'detach');
});

it('a flow whose policy route is gone takes the on_failure way', async () => {
  await succeed(input(POLICY), 'attach');
  await steering.sh('router', 'ip route flush table 250; ip -6 route flush table 250');
  for (const family of ['v4', 'v6'] as const)
    expect(await steering.whoAnswers('client', INTERNET[family])).toBe('internet');
  expect((await steering.stats()).events.on_failure).toBe(2);
  await steering.sh(
    'router',
    `ip route add default via ${ADDRESS.server1.v4} dev br-lan table 250;
     ip -6 route add default via ${ADDRESS.server1.v6} dev br-lan table 250`,
  );
  for (const family of ['v4', 'v6'] as const)
    expect(await steering.whoAnswers('client', INTERNET[family])).toBe('server1');
  await succeed('', 'detach');
});

it('without privilege says so instead of guessing', async () => {
  const argv = ['setpriv', '--reuid=65534', '--clear-groups', process.execPath, CLI, 'bpf'];
  for (const command of ['show', 'stats', 'detach']) {
    await succeed(input(POLICY), 'attach');
    const { status, stderr } = await steering.lab.run('router', [
      ...argv,
      command,
      '--directory',
      `${DIRECTORY}/inside`,
    ]);
    expect(stderr).toContain('not permitted');
    expect(status).toBe(1);
  }
  await succeed('', 'detach');
});

it.each([
  ['', /it is empty/, 2],
  ['{', /it is no JSON/, 2],
  ['{}', /it has no version/, 2],
  [input(POLICY, { interfaces: ['nowhere'] }), /there is no interface "nowhere"/, 1],
  [input(POLICY, { interfaces: ['lo'] }), /"lo" carries no Ethernet frames/, 2],
])('bad input %#: one line, and nothing is left', async (text, said, code) => {
  const { status, stderr } = await bpf(text, 'attach');
  expect(stderr).toMatch(said);
  expect(stderr).toContain('hint:');
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(status).toBe(code);
  expect(await steering.pins()).toBe('');
});
