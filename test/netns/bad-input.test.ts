/** What the hosts refuse: one clear line with the position and a hint, and nothing half applied. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLASSIFIER, CLI, Fixture, lineInFile } from './fixture.js';
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
      [at(6, /router and server1 are the same host/), /--only router/],
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
      /shares bits with IPv4 rule 99 \(fwmark 0x10\/0xf0 lookup 77\)/,
    ],
    [
      'a rule on all mark bits',
      ['ip', 'rule', 'add', 'priority', '99', 'fwmark', '1', 'lookup', '77'],
      /shares bits with IPv4 rule 99/,
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
    ['of the same priority', '1500', ['from', '192.168.1.0/24'], 1499],
    ['in front, of wg-quick', '100', ['not', 'fwmark', '51820'], 99],
  ])(
    'a rule %s takes our packets, and ours may not move',
    async (_what, priority, selector, at) => {
      const rule = ['priority', priority, ...selector, 'lookup', 'main'];
      await fixture.lab.check('router', ['ip', 'rule', 'add', ...rule]);
      try {
        const fixed = ['br-lan, lan2]', 'br-lan, lan2]\n  rule_priority: 1500'] as const;
        await expectRefusal([fixed], 2, [
          new RegExp(
            `IPv4 rule ${priority} \\(.*lookup main\\) on .* takes the packets from br-lan`,
          ),
          new RegExp(`write router.rule_priority: ${at}, or leave it out`),
        ]);
        // The state of the host is no mistake on the command line.
        const { status, stdout } = await fixture.sidetrack('status');
        expect(stdout).toContain('cannot be as configured');
        expect(stdout).toContain(`rule_priority: ${at}`);
        expect(status).toBe(1);
      } finally {
        await fixture.lab.check('router', ['ip', 'rule', 'del', ...rule]);
      }
    },
  );

  it('a rule in front takes one client, and ours may not move: a warning, and no good status', async () => {
    const rule = 'pref 100 from 192.168.1.10 lookup main'.split(' ');
    fixture.configureWith([['br-lan, lan2]', 'br-lan, lan2]\n  rule_priority: 1500']]);
    await fixture.succeed('apply');
    await fixture.lab.check('router', ['ip', 'rule', 'add', ...rule]);
    const [plan, status] = [await fixture.sidetrack('plan'), await fixture.sidetrack('status')];
    await fixture.lab.check('router', ['ip', 'rule', 'del', ...rule]);
    await fixture.succeed('down');
    expect(plan.stderr).toContain('takes some of the packets from br-lan');
    expect(plan.status).toBe(0);
    expect(status.stdout).toMatch(/router .*differs from the configuration\n {2}! .*takes some of/);
    expect(status.stdout).not.toContain('Next: sidetrack apply');
    expect(status.status).toBe(1);
  });

  it.each([['mark bits that are not ours', '99', ['fwmark', '0x10000/0xff0000']]])(
    'but not %s',
    expectNoMatter,
  );
  it.each([
    ['a rule of our priority that takes nothing of ours', '1500', ['to', '192.168.1.1']],
    ['the rule of wg-quick, which comes after ours', '32764', ['not', 'fwmark', '51820']],
  ])('but not %s', { tags: 'long' }, expectNoMatter);

  async function expectNoMatter(_name: string, priority: string, selector: string[]) {
    const rule = ['priority', priority, ...selector, 'lookup', '77'];
    await fixture.lab.check('router', ['ip', 'rule', 'add', ...rule]);
    try {
      fixture.configureWith([]);
      await fixture.succeed('apply');
      await fixture.succeed('down');
    } finally {
      await fixture.lab.check('router', ['ip', 'rule', 'del', ...rule]);
    }
  }
});

describe('the hosts have other networks than the configuration takes them for', () => {
  it('a port, an uplink, and a second way out of server1 are told by plan', async () => {
    const onServer = (line: string) => fixture.lab.check('server1', ['sh', '-c', line]);
    await onServer(`ip link add eth1 type veth peer name eth1p && ip link set eth1p up &&
      ip link set eth1 up && ip addr add 192.168.1.77/24 dev eth1 noprefixroute &&
      ip route add default via 192.168.1.1 dev eth1 onlink metric 1 table 77 &&
      ip rule add pref 77 lookup 77`);
    fixture.configureWith([['[br-lan, lan2]', '[br-lan, lan2, lan0, wan]']]);
    const { status, stderr } = await fixture.sidetrack('plan');
    await onServer('ip rule del pref 77; ip link del eth1');
    expect(stderr).toMatch(/lan0 is a port of the bridge br-lan .* leave lan0 out/);
    expect(stderr).toMatch(/wan carries a default route of netns:\/\/router/);
    expect(stderr).toMatch(
      /own IPv4 connections leave netns:\/\/server1 by eth1 .* 192\.168\.1\.77/,
    );
    expect(stderr.match(/^warning/gm)).toHaveLength(4);
    expect(status).toBe(0);
  });

  it('a listed interface that vanishes is the state of the host, and down still works', async () => {
    const onRouter = (...argv: string[]) => fixture.lab.check('router', argv);
    await onRouter(...'ip link add vpn0 type veth peer name vpn1'.split(' '));
    fixture.configureWith([['[br-lan, lan2]', '[br-lan, lan2, vpn0]']]);
    await fixture.succeed('apply');
    await onRouter('ip', 'link', 'del', 'vpn0');
    const { status, stdout } = await fixture.sidetrack('status', '--json');
    const [, router] = JSON.parse(stdout).hosts;
    expect(router).toMatchObject({
      state: 'unfit',
      problems: [{ message: 'netns://router has no interface "vpn0"' }],
      flows: 0,
    });
    expect(router.counters.length).toBeGreaterThan(3);
    expect(status).toBe(1);
    await fixture.succeed('down');
    expect(await leftovers(fixture.lab)).toBe('');
    expect(await onRouter('ip', 'rule')).not.toContain('lookup 250');
  });
});

describe('the machine lacks something', () => {
  /** A PATH on which a program is a script; that finds the real one in `$real`. */
  async function pathWith(program: string, script: string): Promise<string> {
    const directory = `${fixture.directory}/lacking-${program}`;
    const install = `real=$(command -v ${program}) && mkdir -p ${directory} && { echo "#!/bin/sh\nreal=$real"; cat; } > ${directory}/${program} && chmod +x ${directory}/${program}`;
    await fixture.lab.check(undefined, ['sh', '-c', install], { stdin: `${script}\n` });
    return `${directory}:${process.env.PATH}`;
  }

  /** Runs a command, plan if none is named, with a program on the hosts replaced by a script. */
  async function planWith(program: string, script: string, ...args: string[]) {
    const PATH = await pathWith(program, script);
    return fixture.sidetrackWith({ env: { PATH } }, ...(args.length > 0 ? args : ['plan']));
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

  it('an /etc that can be written, which only the name of the table needs', async () => {
    fixture.configureWith([
      ['netns://router', 'local'],
      ['br-lan, lan2', 'br-lan'],
      ['address:', 'mac: "02:00:00:00:00:02"\n    address:'],
    ]);
    const script = `mount --rbind /etc /etc && for d in /etc /etc/iproute2; do
      [ ! -d $d ] || mount -o remount,bind,ro $d || exit; done; exec "$@"`;
    const sidetrack = (command: string) =>
      fixture.sidetrackPrefixed(
        ['unshare', '--mount', 'sh', '-c', script, 'sh'],
        ...[command, '--only', 'router'],
      );
    const inLab = (...argv: string[]) => fixture.lab.check(undefined, argv);
    await inLab('ip', 'link', 'add', 'br-lan', 'type', 'bridge');
    await inLab('ip', 'address', 'add', '192.168.1.1/24', 'dev', 'br-lan');
    await inLab('ip', 'address', 'add', 'fd00:1::1/64', 'dev', 'br-lan', 'nodad');
    await inLab('ip', 'link', 'set', 'br-lan', 'up');
    try {
      const apply = await sidetrack('apply');
      expect(apply.stderr).toMatch(
        /warning: .*sidetrack\.yaml:\d+:\d+: local: could not name table 250 .*Read-only file system\); nothing depends on it/,
      );
      expect([apply.status, apply.stdout]).toEqual([0, expect.stringContaining('Done.')]);
      expect(await inLab('ip', 'route', 'show', 'table', '250')).toContain('192.168.1.2');
      const status = await sidetrack('status');
      expect([status.status, status.stdout]).toEqual([
        0,
        expect.stringContaining(': as configured'),
      ]);
      expect((await sidetrack('apply')).stdout).toMatch(
        /^Nothing changes: router is as configured/,
      );
      const down = await sidetrack('down');
      expect([down.status, down.stdout]).toEqual([0, expect.stringContaining('Done.')]);
      expect(await inLab('nft', 'list', 'tables')).not.toContain('sidetrack');
    } finally {
      await inLab('ip', 'link', 'del', 'br-lan');
    }
  });

  it('a module of nftables', async () => {
    fixture.configureWith([]);
    const before = await snapshot(fixture.lab, 'server1');
    const script = `case "$*" in *"-f /proc/self/fd/0") file=$(mktemp); cat > $file; exec < $file
      grep -q '"fib":' $file; absent=$?; rm $file; [ $absent = 1 ] || {
        echo "internal:0:0-0: Error: Could not process rule: No such file or directory" >&2; exit 1; };;
      esac; exec $real "$@"`;
    const { status, stderr } = await planWith('nft', script, 'apply');
    expect(stderr).toMatch(
      /error: server1, step ".*": netns:\/\/server1: the kernel has no "fib" of nftables \(nft_fib_inet\); every change was put back/,
    );
    expect(stderr).toContain('opkg install kmod-nft-fib');
    expect(status).toBe(1);
    expect(await snapshot(fixture.lab, 'server1')).toEqual(before);
  });

  // The eBPF classifier keeps its sets in maps.
  const nftIt = it.skipIf(CLASSIFIER !== 'nftables');
  nftIt(
    "root's privilege, without which one message holds some thousand prefixes",
    {
      tags: 'long',
    },
    async () => {
      const long = (first: number) =>
        Array.from({ length: 9000 }, (_, i) => `10.${first + (i >> 8)}.${i & 255}.1\n`).join('');
      const list = `${fixture.directory}/long.txt`;
      fixture.configureWith([
        ['netns://router', 'local'],
        ['br-lan, lan2', 'br-lan'],
        ['address:', 'mac: "02:00:00:00:00:02"\n    address:'],
        ['rules:', `sets: { long: { file: ${list} } }\nrules:\n  - { to: long, action: block }`],
      ]);
      writeFileSync(list, long(0));
      writeFileSync(`${list}.new`, long(100));
      const script = `sidetrack() { "$node" "$cli" "$@" --only router -c "$config"; }
      held() { nft list table inet sidetrack | grep -oE "\\b10\\.$1[0-9]+\\.[0-9]+\\.1\\b" | wc -l; }
      node=$1 cli=$2 config=$3 list=$4
      mount -t tmpfs tmpfs /run && ip link add br-lan type bridge && ip link set br-lan up &&
      ip address add 192.168.1.1/24 dev br-lan && ip address add fd00:1::1/64 dev br-lan nodad || exit
      sidetrack apply > /dev/null && held "" && sidetrack status > /dev/null && echo configured
      mv "$list.new" "$list"
      mkdir /run/sidetrack/state.json.new && ! sidetrack apply && held 1; rmdir /run/sidetrack/state.json.new
      nft list sets | grep -c _next
      sidetrack apply; held 1; held ""
      sidetrack apply && nft list sets | grep -c _next
      sidetrack down > /dev/null && nft list tables`;
      const own = ['unshare', '--user', '--map-root-user', '--net', '--mount', 'sh', '-c', script];
      const words = ['sh', process.execPath, CLI, fixture.configFile, list];
      const { stdout, stderr } = await fixture.lab.run(undefined, [...own, ...words]);
      // nft 1.1 sends what 1.0.6 cannot.
      expect([stdout, stderr]).toEqual([
        expect.stringMatching(
          /^9000\nconfigured\n2560\n0\nDone\. router: 1 step\..*\n9000\n9000\nNothing changes: .*\n0\n$/,
        ),
        expect.stringMatching(/^error: .*; every change was put back$/m),
      ]);
    },
  );

  it('nft without JSON', async () => {
    fixture.configureWith([]);
    const script = 'echo "Error: JSON support not compiled-in" >&2; exit 1';
    const { status, stderr } = await planWith('nft', script);
    expect(stderr).toContain('this nft was built without JSON support');
    expect(stderr).toContain('install the full package');
    expect(status).toBe(1);
  });

  it.each([
    ['dies of', 'kill -ABRT $$', /status 134/, ['apply', 'status', 'down']],
    ['refuses', 'echo "Error: unsupported expression" >&2; exit 1', /unsupported exp/, ['plan']],
  ])(
    "a listing of everybody's rules, where nft %s one",
    async (_how, failure, reason, commands) => {
      fixture.configureWith([]);
      const script = `case "$*" in *"list ruleset"*) ${failure};; esac; exec $real "$@"`;
      const before = await snapshot(fixture.lab, 'router');
      for (const command of commands) {
        const { status, stdout, stderr } = await planWith('nft', script, command);
        expect(stderr).toMatch(/warning: .*cannot list the rules of other programs/);
        expect(stderr).toMatch(reason);
        expect([command, status, stderr]).toEqual([command, 0, stderr]);
        if (command === 'status') expect(stdout.match(/: as configured/g)).toHaveLength(2);
      }
      expect(await snapshot(fixture.lab, 'router')).toEqual(before);
    },
  );

  it.each([
    ["BusyBox's ip", 'echo "ip: unrecognized option: j\nBusyBox v1.36.1" >&2; exit 1'],
    ['an ip that prints text', 'echo "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536"'],
  ])('%s is named, with the package', expectIpNamed);
  it.each([
    ['an old ip', 'echo "Option \\"-j\\" is unknown, try \\"ip -help\\"." >&2; exit 255'],
    ['an ip that prints nothing', 'exit 0'],
  ])('%s is named, with the package', { tags: 'long' }, expectIpNamed);

  async function expectIpNamed(_what: string, script: string): Promise<void> {
    fixture.configureWith([]);
    const { status, stderr } = await planWith('ip', script);
    expect(stderr).toMatch(/^error: netns:\/\/\w+: this ip cannot print JSON/);
    expect(stderr).toContain('ip-full');
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(status).toBe(1);
  }

  it('nor does the classifier take text for JSON', async () => {
    const PATH = await pathWith('ip', 'echo "1: lo: <LOOPBACK>"');
    const port = CLI.replace('control/cli/main.js', 'bpf/port.js');
    const script = `import('${port}').then((m) => m.portsOf('br-lan')).catch((e) => console.log(e.message, e.hint))`;
    const argv = ['env', `PATH=${PATH}`, process.execPath, '-e', script];
    expect(await fixture.lab.check('router', argv)).toMatch(
      /^ip -d link show dev br-lan: no JSON that is known here install the full iproute2/,
    );
  });

  it('nft that answers something else', async () => {
    fixture.configureWith([]);
    const { status, stderr } = await planWith('nft', 'echo hello');
    expect(stderr).toMatch(/error: .*"nft -j -t list ruleset inet" answered hello and not JSON/);
    expect(stderr).not.toMatch(/^\s+at /m);
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
    // By a name of its own: a lab may run beside the tests.
    [['lab', 'exec', '--name', 'nosuch', 'client', '--', 'true'], /no lab "nosuch" is running/],
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
