/** `sidetrack-bpf` beside `sidetrack bpf`: the same answers, the same pins, and bundles that are none. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleBytes, packBundle, programDigest } from '../../bpf/bundle.js';
import { bundleSize, loaderReasons, sectionOffset } from '../../bpf/loader/layout.js';
import { HEARTBEAT_REASON_NAMES } from '../../bpf/server-health.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { attachOptions } from '../../control/policy/attach-options.js';
import {
  classifierSpec,
  parseSpec,
  type SpecSteering,
} from '../../control/policy/classifier-spec.js';
import { PrefixSet } from '../../control/policy/prefix-set.js';
import { missingPrograms, requireAll } from '../netns/rivals/installed.js';
import { SteeringLab } from './lab.js';
import { bundleOf, canLoad, LOADER, loaderOf, maker } from './loader.js';
import { OBJECT } from './run.js';

const CLI = fileURLToPath(new URL('../../build/control/cli/main.js', import.meta.url));
const DIRECTORY = '/run/bpf/sidetrack';

const spec = (changes: Partial<SpecSteering> = {}): string =>
  JSON.stringify(
    classifierSpec(
      {
        rules: [
          {
            name: 'guard:local',
            to: PrefixSet.parse('192.168.1.1', 'fd00:1::1'),
            action: 'direct',
          },
          { name: 'mail', proto: 'tcp', ports: [{ first: 25, last: 25 }], action: 'direct' },
          { name: 'by "MAC"', macs: ['02:00:00:00:99:99'], action: 'block' },
          { name: 'rest', proto: 'tcp', action: 'proxy' },
        ],
        default: 'direct',
        groups: [{ targets: [0] }],
      },
      {
        interfaces: ['br-lan', 'lan2'],
        forwarding: 'mark',
        targets: [
          {
            name: 's1',
            health: 'none',
            serverInterface: { v4: 'br-lan', v6: 'br-lan' },
            nextHop: ADDRESS.server1,
            macs: ['02:00:00:00:01:02'],
            mark: { value: 0x96, mask: 0xff },
          },
        ],
        flowTableSize: 1024,
        onFailure: 'direct',
        ...changes,
      },
    ),
  );

/** The same with a server that is judged by its heartbeats. */
function withHeartbeats(): string {
  const { targets, ...rest } = parseSpec(spec());
  const heartbeat = { address: ADDRESS.server1, siphashKey: '1'.repeat(32), macFixed: false };
  const heartbeats = { port: 9155, rise: 2, resetAfterSeconds: 10 };
  const heard = targets.map((one) => ({ ...one, health: 'heartbeat' as const, heartbeat }));
  return JSON.stringify({ ...rest, targets: heard, heartbeats });
}

const OPTIONS = (() => {
  const {
    directory: _,
    object: __,
    ...rest
  } = attachOptions(parseSpec(withHeartbeats()), {
    directory: '',
    object: '',
  });
  return rest;
})();

it('calls reasons of heartbeats what others call them', () => {
  expect(loaderReasons).toEqual(HEARTBEAT_REASON_NAMES);
});

describe.skipIf(!canLoad || process.getuid!() !== 0)('in a lab', () => {
  let steering: SteeringLab;
  beforeAll(async () => {
    steering = await SteeringLab.start();
  });
  afterAll(() => steering?.stop());

  const node = (stdin: string, ...args: string[]) =>
    steering.lab.check(
      'router',
      [process.execPath, CLI, 'bpf', ...args, '--directory', DIRECTORY],
      { stdin },
    );
  const program = programDigest(readFileSync(OBJECT));
  const loader = (stdin: string, ...args: string[]) =>
    steering.lab.check(
      'router',
      [LOADER, '--program', program, 'bpf', ...args, '--directory', DIRECTORY],
      { stdin },
    );

  /** What goes on while one looks, and what is not told to the nanosecond. */
  const still = (text: string): unknown =>
    JSON.parse(text, (key, value) => (/Seconds$/.test(key) ? 'some' : value));

  describe.each([
    ['mark', { tags: [] }],
    ['redirect', { tags: ['long'] }],
  ] as const)('with forwarding: %s', (forwarding, { tags }) => {
    it('does and says what sidetrack does and says, and each goes on where the other ended', {
      tags: [...tags],
    }, async () => {
      const wanted = spec({ forwarding });
      const nothing = [LOADER, 'show', '--json', '--directory', DIRECTORY];
      expect(await steering.lab.run('router', nothing)).toMatchObject({
        status: 1,
        stdout: 'null\n',
      });
      expect(await loader(bundleOf(wanted), 'attach', '--dry-run')).toBe(
        'Could be attached to br-lan, lan2: 4 rules and guards.\n',
      );
      expect(await steering.pins()).toBe('');
      await loader(bundleOf(wanted), 'attach', '--digest', 'first-one');
      const stream = steering.stream('client', ADDRESS.internet.v4);
      let said = 0;
      stream.child.stdout!.on('data', (chunk: Buffer) => {
        said += chunk.length;
      });
      const goesOn = async () => {
        const before = said;
        await expect.poll(() => said, { timeout: 20_000 }).toBeGreaterThan(before);
      };
      await goesOn();
      expect(await steering.whoAnswers('client', ADDRESS.internet.v4, 25)).toBe('internet');
      const alike = async () => {
        const shown = await loader('', 'show', '--json');
        expect(still(shown)).toEqual(still(await node('', 'show', '--json')));
        const named = ({ rules, ...rest }: Record<string, object>) => [
          (rules as unknown as { name: string }[]).map(({ name }) => name),
          ...Object.values(rest).map((one) => Object.keys(one)),
        ];
        const [own, other] = [
          await loader('', 'stats', '--json'),
          await node('', 'stats', '--json'),
        ];
        expect(named(JSON.parse(own))).toEqual(named(JSON.parse(other)));
        return JSON.parse(shown);
      };
      expect(await alike()).toMatchObject({
        digest: 'first-one',
        outdated: false,
        flows: { v4: 1 },
      });
      // Another policy, from the other side; and back, with a flow table of another size.
      await node(spec({ forwarding, onFailure: 'block' }), 'attach', '--digest', 'second');
      await goesOn();
      expect(await alike()).toMatchObject({ digest: 'second', liveFlows: { v4: 1 } });
      const larger = bundleOf(spec({ forwarding, flowTableSize: 4096, interfaces: ['br-lan'] }));
      await loader(larger, 'attach', '--digest', 'third');
      await goesOn();
      expect(await alike()).toMatchObject({
        interfaces: [{ name: 'br-lan', filter: 'attached' }],
        flowTable: { v4: 4096, v6: 4096 },
        liveFlows: { v4: 1 },
      });
      stream.signal('SIGTERM');
      expect(await loader('', 'detach')).toBe('Detached: steered connections end.\n');
      expect(await steering.pins()).toBe('');
      expect(
        await steering.sh('router', 'tc qdisc show dev br-lan; tc qdisc show dev lo'),
      ).not.toContain('clsact');
      expect(await loader('', 'detach')).toBe('Nothing to detach.\n');
    });
  });

  it('redirects in XDP as well', { tags: 'long' }, async () => {
    await steering.lab.run('server1', ['ping', '-c', '1', '-W', '5', '192.168.1.1']);
    await loader(bundleOf(spec({ forwarding: 'xdp', interfaces: ['br-lan'] })), 'attach');
    const shown = JSON.parse(await loader('', 'show', '--json'));
    expect(still(JSON.stringify(shown))).toEqual(still(await node('', 'show', '--json')));
    expect(shown.xdp.length).toBeGreaterThan(1);
    await loader(bundleOf(spec()), 'attach');
    expect(JSON.parse(await loader('', 'show', '--json')).xdp).toBeUndefined();
    await loader('', 'detach');
  });

  it('believes in servers for a while, and forgets none that sidetrack knows', {
    tags: 'long',
  }, async () => {
    await loader(bundleOf(withHeartbeats()), 'attach');
    const servers = async (ask: typeof node) =>
      (JSON.parse(await ask('', 'show', '--json')) as { servers: unknown[] }).servers;
    // Nobody beats; what is known of them stays over an attach from the other side.
    const silent = [
      { server: 's1', health: 'heartbeat', families: { 4: 'unknown', 6: 'unknown' } },
    ];
    await expect.poll(() => servers(loader), { timeout: 30_000 }).toMatchObject(silent);
    await node(withHeartbeats(), 'attach');
    expect(await servers(loader)).toEqual(await servers(node));
    await loader(bundleOf(withHeartbeats()), 'attach');
    expect(await servers(node)).toMatchObject(silent);
    await loader('', 'detach');
  });

  it('keeps what is in force where an interface, a right or the way there is missing', async () => {
    await loader(bundleOf(spec()), 'attach', '--digest', 'old');
    const filters = () => steering.sh('router', 'tc filter show dev br-lan ingress');
    const before = await filters();
    const refuse = async (stdin: string, enter: readonly string[] = []) => {
      const argv = [...enter, LOADER, 'attach', '--json', '--directory', DIRECTORY];
      const { status, stdout } = await steering.lab.run('router', argv, { stdin });
      expect(status).toBeGreaterThan(0);
      expect(await filters()).toBe(before);
      expect(JSON.parse(await loader('', 'show', '--json'))).toMatchObject({ digest: 'old' });
      return (JSON.parse(stdout) as { error: { code: string } }).error.code;
    };
    const whole = bundleOf(spec());
    expect(await refuse(bundleOf(spec({ interfaces: ['none0'] })))).toBe('interface-missing');
    expect(await refuse(bundleOf(spec({ interfaces: ['lo'] })))).toBe('interface-not-ethernet');
    expect(await refuse(whole.slice(0, whole.length / 2))).toBe('bundle-malformed');
    expect(await refuse(spec())).toBe('bundle-malformed');
    const nobody = ['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set=-all'];
    expect(await refuse(whole, nobody)).toBe('not-permitted');
    await loader('', 'detach');
  });

  const canTrace = requireAll || missingPrograms(['strace']).length === 0;

  it.skipIf(!canTrace)(
    'says in a line what a kernel lacks, and leaves nothing there',
    {
      tags: 'long',
    },
    async () => {
      const stdin = bundleOf(spec());
      /** As on a kernel that answers so. */
      const answering = async (how: string) => {
        const argv = ['strace', '-f', '-o', '/dev/null', '-e', `inject=${how}`, LOADER];
        const { status, stdout } = await steering.lab.run(
          'router',
          [...argv, 'attach', '--json', '--directory', DIRECTORY],
          { stdin },
        );
        const { error } = JSON.parse(stdout) as {
          error: { code: string; message: string; hint: string };
        };
        expect(await steering.pins()).toBe('');
        return { status, ...error };
      };
      expect(await answering('bpf:error=ENOSYS')).toMatchObject({
        status: 1,
        code: 'no-bpf',
        message: 'this kernel has no eBPF: there is no bpf(2)',
        hint: expect.stringContaining('CONFIG_BPF_SYSCALL'),
      });
      const { stderr } = await steering.lab.run(
        'router',
        ['strace', '-e', 'trace=sendto', LOADER, 'attach', '--dry-run', '--directory', DIRECTORY],
        { stdin },
      );
      const calls = stderr.split('\n').filter((line) => line.startsWith('sendto('));
      const making = calls.findIndex((line) => line.includes('RTM_NEWQDISC'));
      expect(making).toBeGreaterThanOrEqual(0);
      for (const error of ['ENOENT', 'EOPNOTSUPP'])
        expect(await answering(`sendto:error=${error}:when=${making + 1}`)).toMatchObject({
          status: 1,
          code: 'no-clsact',
          message: expect.stringContaining('this kernel has no clsact'),
          hint: expect.stringContaining('opkg install kmod-sched-core'),
        });
    },
  );
});

describe.skipIf(!canLoad || process.getuid!() !== 0)(
  'an attach that fails when the new program set judges',
  () => {
    it.each(['loader', 'sidetrack'] as const)(
      'by %s does not call it the old one',
      {
        tags: 'long',
      },
      async (way) => {
        const steering = await SteeringLab.start();
        try {
          const program = programDigest(readFileSync(OBJECT));
          const bpf =
            way === 'loader'
              ? [LOADER, '--program', program, 'bpf']
              : [process.execPath, CLI, 'bpf'];
          const run = (stdin: string, ...args: string[]) =>
            steering.lab.run('router', [...bpf, ...args, '--directory', DIRECTORY], { stdin });
          const input = way === 'loader' ? bundleOf(spec()) : spec();
          const digest = async () => {
            const { stdout } = await run('', 'show', '--json');
            return (JSON.parse(stdout) as { digest?: string }).digest;
          };
          expect((await run(input, 'attach', '--digest', 'old')).status).toBe(0);
          expect(await digest()).toBe('old');
          const filter = () => steering.sh('router', 'tc filter show dev br-lan ingress');
          const before = await filter();
          // What is said of the targets cannot be written.
          await steering.sh(
            'router',
            `cd ${DIRECTORY} && rmdir targets/* targets && ln -s nowhere targets`,
          );
          expect((await run(input, 'attach', '--digest', 'new')).status).toBe(1);
          await steering.sh('router', `rm ${DIRECTORY}/targets`);
          expect(await filter()).not.toBe(before);
          expect(await digest()).toBeUndefined();
          expect((await run(input, 'attach', '--digest', 'new')).status).toBe(0);
          expect(await digest()).toBe('new');
          expect((await run('', 'detach')).status).toBe(0);
        } finally {
          await steering.stop();
        }
      },
    );
  },
);

describe.skipIf(!canLoad)('a bundle', () => {
  const bytes = bundleBytes(OPTIONS, maker());
  const ask = (input: string | Buffer, argv: readonly string[] = [LOADER]) =>
    spawnSync(argv[0]!, [...argv.slice(1), 'check', '--json'], { input, encoding: 'utf8' });

  /** Says what is wrong, and ends by itself. */
  function expectRefused(input: string | Buffer): string {
    const { status, stdout, signal } = ask(input);
    expect({ status, signal }).toEqual({ status: expect.toBeOneOf([1, 2]), signal: null });
    return (JSON.parse(stdout.split('\n').at(-2)!) as { error: { message: string } }).error.message;
  }

  it('is read', () => {
    const { status, stdout } = ask(packBundle(bytes));
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 'test',
      rules: 4,
      interfaces: ['br-lan', 'lan2'],
      programs: ['sidetrack_xdp', 'sidetrack_tc', 'sidetrack_hear'],
    });
  });

  it.each([
    ['aarch64', 'qemu-aarch64-static'],
    ['armv7l', 'qemu-arm-static'],
  ])('is read alike by the loader for %s', (machine, emulator) => {
    const found = spawnSync('which', [emulator], { encoding: 'utf8' }).stdout.trim();
    if (!existsSync(loaderOf(machine)) || found === '') return;
    const own = ask(packBundle(bytes));
    const other = ask(packBundle(bytes), [found, loaderOf(machine)]);
    expect({ status: other.status, stdout: other.stdout }).toEqual({
      status: 0,
      stdout: own.stdout,
    });
    expect(ask('x', [found, loaderOf(machine)]).status).toBe(2);
  });

  it('of another version, empty, cut off or damaged is refused', () => {
    const whole = packBundle(bytes);
    expect(expectRefused('')).toContain('it is empty');
    expect(expectRefused('{"version":3}')).toContain('no base64');
    expect(expectRefused(whole.slice(0, -200))).toContain('cut off');
    const bent = `${whole.slice(0, 5000)}${whole[5000] === 'A' ? 'B' : 'A'}${whole.slice(5001)}`;
    expect(expectRefused(bent)).toMatch(/damaged|cut off/);
    const other = Buffer.from(bytes);
    other.write('0'.repeat(16), 8);
    expect(expectRefused(packBundle(other))).toContain('another version');
    expect(expectRefused(packBundle(Buffer.concat([bytes, Buffer.alloc(8)])))).toContain('as long');
    const bomb = gzipSync(Buffer.alloc(100 * 2 ** 20)).toString('base64');
    expect(expectRefused(bomb)).toContain('too long');
  });

  it('of lengths that lie is refused or read, and never crashes the loader', () => {
    const heads: number[] = [];
    for (let at: number = bundleSize.header; at < bytes.length; ) {
      heads.push(at);
      const length = Number(bytes.readBigUInt64LE(at + sectionOffset.length));
      at += bundleSize.section + length + (-length & 7);
    }
    const change = fc.record({
      at: fc.oneof(
        fc.nat(bundleSize.header - 1),
        fc
          .tuple(fc.constantFrom(...heads), fc.nat(bundleSize.section + 63))
          .map(([head, inside]) => head + inside),
      ),
      value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bent = Buffer.from(bytes);
        for (const { at, value } of changes) bent[Math.min(at, bent.length - 1)] = value;
        const packed = gzipSync(bent, { level: 1 }).toString('base64');
        const { status, signal } = ask(packed);
        expect(signal).toBeNull();
        expect(status).toBeOneOf([0, 1, 2]);
      }),
      { numRuns: 40 },
    );
  });
});
