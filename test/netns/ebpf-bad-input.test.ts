/** `classifier: ebpf` where it cannot be had: one clear line, and what was in force stays in force. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RunOptions } from '../../control/hosts/process.js';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { Fixture } from './fixture.js';
import { snapshot } from './snapshot.js';

/** In front of the real libbpf, which answers all other calls. */
const OLD_LIBBPF = 'unsigned int libbpf_major_version(void) { return 0; }';
const NO_HELPER = `int libbpf_probe_bpf_helper(int type, int helper, const void *options)
{ return (void)type, (void)helper, (void)options, 0; }`;
/** Preloaded: who opens libbpf at run time gets the file beside it. ip and tc are linked with theirs. */
const DLOPEN = (path: string) => `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
void *dlopen(const char *name, int flags)
{
	void *(*real)(const char *, int) = dlsym(RTLD_NEXT, "dlopen");
	return real(name && !strcmp(name, "libbpf.so.1") ? "${path}" : name, flags);
}
`;
const MANY_RULES = Array.from(
  { length: 1100 },
  (_, i) => `  - { name: r${i}, proto: tcp, port: ${i + 1}, action: direct }\n`,
).join('');

/** A user namespace may not load BPF programs. */
describe.skipIf(process.getuid?.() !== 0)('classifier: ebpf', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await Fixture.start();
    fixture.classifier = 'ebpf-mark';
    fixture.configureWith([]);
    await fixture.succeed('apply');
  });
  afterAll(() => fixture?.stop());
  afterEach(() => {
    fixture.classifier = 'ebpf-mark';
  });

  const onRouter = (script: string) => fixture.lab.check('router', ['sh', '-ec', script]);

  interface Attempt {
    yaml?: string;
    options?: RunOptions;
  }

  /** A changed policy is refused with `said` and a hint, and the old one stays. */
  async function expectRefusal(said: RegExp, hint: string, attempt: Attempt = {}): Promise<void> {
    const before = await snapshot(fixture.lab, 'router');
    const changed = LAB_CONFIG.replace('port: [25,', 'port: [26,');
    fixture.configure(attempt.yaml ?? changed);
    const { status, stderr } = await fixture.sidetrackWith(attempt.options ?? {}, 'apply');
    expect(stderr).toMatch(said);
    expect(stderr.split('\n').filter((line) => line.startsWith('error:'))).toHaveLength(1);
    expect(/^ {2}hint: (.*)$/m.exec(stderr)?.[1]).toContain(hint);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(status).not.toBe(0);
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
    fixture.configureWith([]);
    expect((await fixture.sidetrack('status')).status).toBe(0);
  }

  type Library = readonly [name: string, source: string | undefined, said: RegExp];
  const shown: Library[] = [
    ['too old a kernel', NO_HELPER, /needs kernel ≥ 5\.10: no bpf_redirect_neigh here/],
    ['no libbpf', undefined, /needs libbpf 1\.0 or newer: cannot open libbpf\.so\.1/],
  ];
  const more: Library[] = [
    ['too old a libbpf', OLD_LIBBPF, /libbpf 0 is too old, the ebpf classifier needs 1\.0/],
    [
      'a libbpf that lacks functions',
      '',
      /libbpf is too old, the ebpf classifier needs 1\.0: no \w+ in it/,
    ],
  ];
  it.each(shown)('%s', expectNoLibrary);
  it.each(more)('%s', { tags: 'long' }, expectNoLibrary);

  async function expectNoLibrary(...[, source, said]: Library): Promise<void> {
    const library = `${fixture.directory}/libbpf.so`;
    const preloaded = `${fixture.directory}/dlopen.so`;
    await fixture.lab.check(undefined, ['rm', '-f', library]);
    const real = source === '' ? [] : ['-Wl,--no-as-needed', '-l:libbpf.so.1'];
    if (source !== undefined) await compile(library, source, ...real);
    await compile(preloaded, DLOPEN(library));
    await expectRefusal(said, 'write classifier: nftables', {
      options: { env: { LD_PRELOAD: preloaded } },
    });
  }

  function compile(path: string, stdin: string, ...libraries: string[]) {
    const argv = ['cc', '-shared', '-fPIC', '-o', path, '-x', 'c', '-', ...libraries];
    return fixture.lab.check(undefined, argv, { stdin });
  }

  it('no privilege to load programs', async () => {
    const before = await snapshot(fixture.lab, 'router');
    const local = LAB_CONFIG.replace('netns://router', 'local').replace('port: [25,', 'port: [26,');
    fixture.configure(local.replace('program:', 'mac: 02:00:00:00:01:02\n    program:'));
    const without = ['setpriv', '--bounding-set=-bpf,-sys_admin,-perfmon', '--inh-caps=-all', '--'];
    const { status, stderr } = await fixture.sidetrackPrefixedOn(
      'router',
      without,
      'apply',
      '--only',
      'router',
    );
    expect(stderr).toMatch(/error: local: loading eBPF programs is not permitted here\n/);
    expect(stderr).toMatch(/hint: run it as root; or write classifier: nftables/);
    expect(status).toBe(1);
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
  });

  it('a policy larger than the tables', async () => {
    const yaml = LAB_CONFIG.replace('rules:\n', `rules:\n${MANY_RULES}`);
    await expectRefusal(
      /the policy is too large for the ebpf classifier: 11\d\d rules and guards, of 1024/,
      'write classifier: nftables',
      { yaml },
    );
    fixture.classifier = 'nftables';
    fixture.configure(yaml);
    expect((await fixture.sidetrack('plan')).status).toBe(0);
  });

  it('no BPF file system', { tags: 'long' }, async () => {
    await expectRefusalWithout('umount /sys/fs/bpf', /is no BPF file system/);
  });

  /** Only the attempt sees what `prepare` did to its mounts. */
  async function expectRefusalWithout(prepare: string, said: RegExp): Promise<void> {
    fixture.configure(LAB_CONFIG.replace('port: [25,', 'port: [26,'));
    const before = await snapshot(fixture.lab, 'router');
    const inside = ['unshare', '-m', 'sh', '-ec', `${prepare}; exec "$@"`, 'sh'];
    const { status, stderr } = await fixture.sidetrackPrefixed(inside, 'apply');
    expect(stderr).toMatch(said);
    expect(stderr).toMatch(/hint: .*classifier: nftables/);
    expect(status).toBe(1);
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
  }

  describe('others on the interface', () => {
    const NEW = LAB_CONFIG.replace('[br-lan, lan2]', '[br-lan, lan2, extra0]');

    describe.each([
      ['another kind of filter', 'prio 1500 u32 match u32 0 0 classid 1:1', []],
      ['another protocol', 'protocol ip prio 1500 bpf da bytecode "1,6 0 0 4294967295,"', ['long']],
    ])('%s has our priority', (_name, filter, tags) => {
      it('is said before anything changes', { tags }, async () => {
        await onRouter(`ip link add extra0 type veth peer name extra1
        ip link set extra0 up; tc qdisc add dev extra0 clsact
        tc filter add dev extra0 ingress ${filter}`);
        const said = /another tool's filter is on extra0 at priority 1500/;
        await expectRefusal(said, 'write classifier: nftables', { yaml: NEW });
        fixture.configure(NEW);
        expect((await fixture.sidetrack('plan')).stderr).toMatch(said);
        await onRouter('ip link del extra0');
      });
    });

    it('filters of other priorities stay where they are, also when we go', {
      tags: 'long',
    }, async () => {
      await onRouter(`ip link add extra0 type veth peer name extra1
        ip link set extra0 up; tc qdisc add dev extra0 clsact
        tc filter add dev extra0 ingress prio 10 u32 match u32 0 0 classid 1:1
        tc filter add dev extra0 egress prio 1500 u32 match u32 0 0 classid 1:1`);
      const filters = () =>
        onRouter(
          'tc qdisc show dev extra0; tc filter show dev extra0 ingress; tc filter show dev extra0 egress',
        );
      const before = await filters();
      fixture.configure(NEW);
      await fixture.succeed('apply');
      expect(await filters()).toContain('sidetrack_tc');
      fixture.configureWith([]);
      await fixture.succeed('apply');
      expect(await filters()).toBe(before);
      await onRouter('ip link del extra0');
    });
  });

  describe('an interface that vanishes', () => {
    const WITH_EXTRA = LAB_CONFIG.replace('[br-lan, lan2]', '[br-lan, lan2, extra0]');
    const add = () =>
      onRouter('ip link add extra0 type veth peer name extra1; ip link set extra0 up');

    it('between plan and apply: every change is put back', async () => {
      await add();
      const before = await snapshot(fixture.lab, 'router');
      const real = (await fixture.lab.check(undefined, ['sh', '-c', 'command -v ip'])).trim();
      const bin = `${fixture.directory}/bin`;
      const wrapper = `#!/bin/sh\ncase "$*" in *"rule add"*) ${real} link del extra0 2>/dev/null ;; esac\nexec ${real} "$@"\n`;
      const install = `mkdir -p ${bin} && cat > ${bin}/ip && chmod +x ${bin}/ip`;
      await fixture.lab.check(undefined, ['sh', '-c', install], { stdin: wrapper });
      fixture.configure(WITH_EXTRA);
      const { status, stderr } = await fixture.sidetrackWith(
        { env: { PATH: `${bin}:${process.env.PATH}` } },
        'apply',
      );
      await fixture.lab.check(undefined, ['rm', '-r', bin]);
      expect(stderr).toMatch(/there is no interface "extra0"; every change was put back/);
      expect(stderr).toContain('hint: see: ip -br link');
      expect(status).toBe(1);
      const without = (snapshot: Record<string, string>) =>
        Object.entries(snapshot).map(([key, text]) => [
          key,
          text.split('\n').filter((line) => !/extra[01]/.test(line)),
        ]);
      expect(without(await snapshot(fixture.lab, 'router'))).toEqual(without(before));
      fixture.configureWith([]);
      expect((await fixture.sidetrack('status')).status).toBe(0);
    });

    it('after apply: status says so, apply repairs when it is back, and goes on without it', async () => {
      await add();
      fixture.configure(WITH_EXTRA);
      await fixture.succeed('apply');
      await onRouter('ip link del extra0');
      const lost = await fixture.sidetrack('status');
      expect(lost.stdout).toContain('netns://router has no interface "extra0"');
      expect(lost.status).toBe(1);
      await add();
      const back = await fixture.sidetrack('status');
      expect(back.stdout).toContain('no filter of ours on extra0');
      expect(back.status).toBe(1);
      await fixture.succeed('apply');
      expect((await fixture.sidetrack('status')).status).toBe(0);
      await onRouter('ip link del extra0');
      fixture.configureWith([]);
      await fixture.succeed('apply');
      expect(await fixture.succeed('status')).not.toContain('extra0');
    });

    it('after apply: down leaves nothing', async () => {
      await add();
      fixture.configureWith([]);
      await fixture.succeed('down');
      const before = await snapshot(fixture.lab, 'router');
      fixture.configure(WITH_EXTRA);
      await fixture.succeed('apply');
      await onRouter('ip link del extra0');
      await fixture.succeed('down');
      await add();
      const alike = (one: Record<string, string>) =>
        Object.entries(one).filter(([key]) => /nft|tc|rule/.test(key));
      expect(alike(await snapshot(fixture.lab, 'router'))).toEqual(alike(before));
      await onRouter('ip link del extra0');
      fixture.configureWith([]);
      await fixture.succeed('apply');
    });
  });

  it.each([
    ['its pins', 'rm -r /sys/fs/bpf/sidetrack-netns-router'],
    ['what it remembers', 'rm -r /run/sidetrack/netns/router'],
  ])('down leaves nothing after somebody removed %s', { tags: 'long' }, async (_name, remove) => {
    fixture.configureWith([]);
    await fixture.succeed('down');
    const listing =
      'ip -br link; tc qdisc show; nft list tables; ip rule; find /sys/fs/bpf -name "*sidetrack*"';
    const before = await onRouter(listing);
    await fixture.succeed('apply');
    await onRouter(remove);
    await fixture.succeed('down');
    expect(await onRouter(listing)).toBe(before);
    // The original sysctls are lost with what is remembered.
    await onRouter('for f in /proc/sys/net/ipv4/conf/*/send_redirects; do echo 1 > $f; done');
    await fixture.succeed('apply');
  });

  it("down leaves a filter that took ours' place", { tags: 'long' }, async () => {
    fixture.configureWith([]);
    await fixture.succeed('apply');
    await onRouter(`tc filter del dev lan2 ingress prio 1500
      tc filter add dev lan2 ingress prio 1500 bpf da bytecode "1,6 0 0 4294967295,"`);
    await fixture.succeed('down');
    expect(await onRouter('tc filter show dev lan2 ingress')).toContain('bytecode');
    await onRouter('tc qdisc del dev lan2 clsact');
    await fixture.succeed('apply');
  });
});
