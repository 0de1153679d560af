/** What the hosts refuse: one clear line with the position and a hint, and nothing half applied. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fixture, lineInFile } from './fixture.js';
import { leftovers, snapshot } from './snapshot.js';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());

/** What is said of a line of the lab's configuration. */
const at = (line: number, said: RegExp) =>
  new RegExp(`sidetrack\\.yaml:${lineInFile(line)}:\\d+: ${said.source}`);

type Changes = readonly (readonly [string, string])[];

/** Runs apply with a changed configuration; it must fail, say why, and leave no trace. */
async function expectRefusal(changes: Changes, status: number, said: RegExp[]): Promise<void> {
  fixture.configureWith(changes);
  const before = await snapshot(fixture.lab, 'router');
  const result = await fixture.sidetrack('apply');
  for (const pattern of said) expect(result.stderr).toMatch(pattern);
  expect(result.stderr).not.toMatch(/^\s+at /m);
  expect(result.status).toBe(status);
  expect(await snapshot(fixture.lab, 'router')).toEqual(before);
  expect(await leftovers(fixture.lab)).toBe('');
}

describe('the configuration does not fit the hosts', () => {
  it.each<[string, Changes, RegExp[]]>([
    [
      'a missing interface on the router',
      [['br-lan, lan2', 'br-lan, lan7']],
      [at(3, /netns:\/\/router has no interface "lan7"/), /it has .*br-lan/],
    ],
    [
      'a missing interface on the server',
      [['interface: eth0', 'interface: eth9']],
      [at(7, /netns:\/\/server1 has no interface "eth9"/)],
    ],
    [
      "a server outside the router's subnets",
      [['192.168.1.2', '10.9.9.9']],
      [at(8, /10\.9\.9\.9 is on no subnet of the router's br-lan, lan2/), /192\.168\.1\.1\/24/],
    ],
    [
      'an address that the server does not have',
      [['192.168.1.2', '192.168.1.77']],
      [at(8, /server1 has no address 192\.168\.1\.77 on eth0/)],
    ],
    [
      'two hosts that are one',
      [['netns://server1', 'netns://router']],
      [at(6, /router and server are the same host/), /--only router/],
    ],
  ])('%s', async (_name, changes, said) => {
    await expectRefusal(changes, 2, said);
  });

  it('a namespace that does not exist', async () => {
    await expectRefusal([['netns://router', 'netns://nowhere']], 1, [
      /netns:\/\/nowhere: no such network namespace/,
      /hint: .*ip netns list/,
    ]);
  });
});

describe('the router is in use by others', () => {
  it.each([
    [
      'a rule on the same mark bits',
      ['ip', 'rule', 'add', 'priority', '99', 'fwmark', '0x10/0xf0', 'lookup', '77'],
      /shares bits with another IPv4 rule \(priority 99 fwmark 0x10\/0xf0 lookup 77\)/,
    ],
    [
      'a rule on all mark bits',
      ['ip', 'rule', 'add', 'priority', '99', 'fwmark', '1', 'lookup', '77'],
      /shares bits with another IPv4 rule/,
    ],
    [
      'a rule of the same priority',
      ['ip', 'rule', 'add', 'priority', '1500', 'to', '9.9.9.9', 'lookup', '77'],
      /rule priority 1500 on netns:\/\/router is taken/,
    ],
    [
      'a route in the same table',
      ['ip', 'route', 'add', '9.9.9.0/24', 'dev', 'lan2', 'table', '250'],
      /routing table 250 on netns:\/\/router already holds routes/,
    ],
  ])('%s', async (_name, argv, said) => {
    await fixture.lab.check('router', argv);
    try {
      await expectRefusal([], 2, [said, /sidetrack\.yaml:\d+:\d+:/]);
    } finally {
      const undo = argv.map((word) => (word === 'add' ? 'del' : word));
      await fixture.lab.check('router', undo);
    }
  });

  it.each([
    ['mark bits that are not ours', '99', ['fwmark', '0x10000/0xff0000']],
    ['the rule of wg-quick, which comes after ours', '32764', ['not', 'fwmark', '51820']],
  ])('but not %s', async (_name, priority, selector) => {
    const rule = ['priority', priority, ...selector, 'lookup', '77'];
    await fixture.lab.check('router', ['ip', 'rule', 'add', ...rule]);
    try {
      fixture.configureWith([]);
      await fixture.succeed('apply');
      await fixture.succeed('down');
    } finally {
      await fixture.lab.check('router', ['ip', 'rule', 'del', ...rule]);
    }
  });
});

describe('the machine lacks something', () => {
  /** Runs plan with a program on the hosts replaced by a script. */
  async function planWith(program: string, script: string) {
    const directory = `${fixture.directory}/lacking`;
    const install = `mkdir -p ${directory} && cat > ${directory}/${program} && chmod +x ${directory}/${program}`;
    await fixture.lab.check(undefined, ['sh', '-c', install], { stdin: `#!/bin/sh\n${script}\n` });
    fixture.configureWith([]);
    const result = await fixture.sidetrackWith(
      { env: { PATH: `${directory}:${process.env.PATH}` } },
      'plan',
    );
    await fixture.lab.check(undefined, ['rm', `${directory}/${program}`]);
    return result;
  }

  it('nsenter', async () => {
    fixture.configureWith([]);
    const { status, stderr } = await fixture.sidetrackPrefixed(
      ['env', 'PATH=/nonexistent'],
      'plan',
    );
    expect(stderr).toContain('the program "nsenter" is missing');
    expect(stderr).toContain('apt-get install util-linux');
    expect(status).toBe(1);
  });

  it.each([
    ['a file system that can be written', 'mount -t tmpfs -o ro tmpfs', 'Read-only file system'],
    ['room', 'mount -t tmpfs -o nr_inodes=1 tmpfs', 'No space left on device'],
  ])('%s on /run', async (_what, mount, said) => {
    fixture.configureWith([]);
    const before = await snapshot(fixture.lab, 'router');
    const script = `mkdir -p /run/sidetrack && ${mount} /run/sidetrack && exec "$@"`;
    const own = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
    const { status, stderr } = await fixture.sidetrackPrefixed(own, 'apply');
    expect(stderr).toMatch(
      new RegExp(`error: netns://\\w+: writing /run/sidetrack/.* failed: ${said}`),
    );
    expect(stderr).toMatch(/hint: make \/run\/sidetrack.* writable/);
    expect(status).toBe(1);
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
    await fixture.lab.run(undefined, ['rmdir', '/run/sidetrack']);
  });

  it('nft without JSON', async () => {
    const script = 'echo "Error: JSON support not compiled-in" >&2; exit 1';
    const { status, stderr } = await planWith('nft', script);
    expect(stderr).toContain('this nft was built without JSON support');
    expect(stderr).toContain('install the full package');
    expect(status).toBe(1);
  });

  it('nft itself', async () => {
    const PATH = await fixture.pathWithoutNft();
    const { status, stderr } = await fixture.sidetrackWith({ env: { PATH } }, 'plan');
    expect(stderr).toContain('the program "nft" is missing');
    expect(stderr).toContain('apt-get install nftables');
    expect(status).toBe(1);
  });

  it('privilege', async () => {
    fixture.configureWith([['netns://router', 'local']]);
    const unprivileged = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'];
    const { status, stderr } = await fixture.sidetrackPrefixed(
      unprivileged,
      'apply',
      '--only',
      'router',
    );
    expect(stderr).toMatch(/local: no privilege for/);
    expect(stderr).toContain('hint: run it as root');
    expect(status).toBe(1);
  });
});

describe('the relay', () => {
  it('says who has its port', async () => {
    fixture.configureWith([]);
    const thief = fixture.lab.spawn('server1', [
      process.execPath,
      '-e',
      'require("net").createServer().listen(12345, "::", () => console.log("ready"))',
    ]);
    await new Promise((resolve) => thief.child.stdout?.once('data', resolve));
    const { status, stderr } = await fixture.sidetrackOn('server1', 'relay');
    thief.signal('SIGKILL');
    expect(stderr).toMatch(/port 12345 .*in use/);
    expect(stderr).toMatch(/node/);
    expect(status).toBe(1);
  });

  it('says so when the metrics port is taken', async () => {
    const thief = fixture.lab.spawn('server1', [
      process.execPath,
      '-e',
      'require("net").createServer().listen(9150, "127.0.0.1", () => console.log("ready"))',
    ]);
    await new Promise((resolve) => thief.child.stdout?.once('data', resolve));
    const { status, stderr } = await fixture.sidetrackOn('server1', 'relay');
    thief.signal('SIGKILL');
    expect(stderr).toMatch(/9150/);
    expect(status).toBe(1);
  });
});

describe('the command line', () => {
  it.each([
    [['plan', '--bogus'], /unknown option '--bogus'/],
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['plan', '--only', 'server9'], /there is no host "server9".*\n.*router/],
    [['lab', 'exec', 'nowhere', '--', 'true'], /no lab "lab" is running/],
  ])('%j', async (args, said) => {
    fixture.configureWith([]);
    const result = await fixture
      .sidetrack(...args.filter((word) => word !== 'lab'))
      .catch(() => undefined);
    const { status, stderr } = args[0] === 'lab' ? await fixture.sidetrackBare(...args) : result!;
    expect(stderr).toMatch(said);
    expect(status).toBe(2);
  });

  it('without a configuration says how to get one', async () => {
    const { status, stderr } = await fixture.sidetrackBare('check', '-c', '/nonexistent.yaml');
    expect(stderr).toMatch(/nonexistent\.yaml/);
    expect(stderr).toContain('sidetrack init');
    expect(status).toBe(2);
  });

  it('errors are data with --json', async () => {
    fixture.configureWith([['br-lan, lan2', 'br-lan, lan7']]);
    const { stdout } = await fixture.sidetrack('plan', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'config-invalid', source: 'user', diagnostics: [{ line: lineInFile(3) }] },
    });
  });
});
