/** `classifier: ebpf` from plan to down: what is there, what is repaired, what is put back. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseAddress } from '../../control/config/address.js';
import { ADDRESS } from '../../control/lab/topology.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { CLI, type Classifier, FAMILIES, Fixture, url } from './fixture.js';
import { holdConnection } from './hold.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { ipFrame } from './policy/frame.js';
import { INJECT } from './policy/router-bench.js';
import { MACS } from './policy/world.js';
import { leftovers, snapshot } from './snapshot.js';

const DIRECTORY = '/sys/fs/bpf/sidetrack-netns-router';
const REST = '{ name: rest, proto: tcp, action: proxy }';
const DIRECT = REST.replace('proxy', 'direct');

/**
 * Elements of dynamic sets have ages, what clients have left of their shares is not put back, and
 * chains and sets are listed in the order in which they were made.
 */
function withoutFlows({ hosts, ...rest }: { hosts: Record<string, string>[]; filters: string }) {
  const listing = 'nft -s list ruleset';
  const comparable = (text: string) => {
    const objects: string[] = [];
    const frame = text
      .replace(/elements = \{[^}]*expires[^}]*\}/g, '')
      .replace(/^\t(?:set|chain) .*\{\n(?:\t\t.*\n|\n)*\t\}\n/gm, (object) => {
        objects.push(
          /flags dynamic/.test(object) ? object.replace(/\t\telements = \{[^}]*\}\n/, '') : object,
        );
        return '';
      });
    return [frame.trim(), ...objects.sort()];
  };
  return {
    ...rest,
    hosts: hosts.map((host) => ({ ...host, [listing]: comparable(host[listing]!) })),
  };
}

/** A user namespace may not load BPF programs. */
describe.skipIf(process.getuid?.() !== 0)('classifier: ebpf', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await Fixture.start();
    await fixture.startRelay();
  });
  afterAll(() => fixture?.stop());
  beforeEach(async () => {
    use('ebpf-mark');
    await fixture.sidetrack('down');
  });

  function use(classifier: Classifier, changes: readonly (readonly [string, string])[] = []): void {
    fixture.classifier = classifier;
    fixture.configureWith(changes);
  }

  const onRouter = (script: string) => fixture.lab.check('router', ['sh', '-c', script]);

  /** Qdiscs, filters with the programs in them, and pins. */
  const filters = () =>
    onRouter(
      `for i in br-lan lan2; do tc qdisc show dev $i; tc filter show dev $i ingress; done; find ${DIRECTORY}* 2>/dev/null | sort`,
    );

  /** Without what tells one program set of the same policy from another. */
  const alike = (text: string) => text.replace(/sidetrack_tc:\[\d+\]| (id|tag) \S+/g, '');

  async function everything() {
    const hosts = ['router', 'server1'].map((node) => snapshot(fixture.lab, node));
    return { hosts: await Promise.all(hosts), filters: alike(await filters()) };
  }

  /** To an IPv4 host under an IPv6 address, which no socket would do. */
  async function sendToMapped(): Promise<void> {
    const packet: Packet = {
      sourceMac: MACS[0],
      family: 6,
      source: parseAddress(ADDRESS.client.v6)!,
      destination: parseAddress(`::ffff:${ADDRESS.internet.v4}`)!,
      protocol: 'tcp',
      sourcePort: 40_000,
      destinationPort: 80,
    };
    const link = ['ip', '-j', 'link', 'show', 'br-lan'];
    const [{ address }] = JSON.parse(await fixture.lab.check('router', link));
    const stdin = `${ipFrame({ packet, destinationMac: address, serial: 1 })}\n`;
    await fixture.lab.check('client', [INJECT, 'eth0'], { stdin });
  }

  async function expectDownload(address: string): Promise<void> {
    const { status, digest } = await fixture.download('client', url(address, '/bytes/300000'));
    expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(300_000) });
  }

  const steered = () => fixture.counted('steered');

  describe.each(['ebpf-mark', 'ebpf-redirect'] as const)('%s', (classifier) => {
    beforeEach(() => use(classifier));

    const tags = classifier === 'ebpf-redirect' ? ['long'] : [];

    it('a second apply changes nothing, and down leaves nothing', { tags }, async () => {
      const before = await everything();
      expect(await fixture.succeed('apply')).toContain('Done.');
      expect(await filters()).toContain('sidetrack_tc');
      await sendToMapped();
      for (const family of FAMILIES) await expectDownload(ADDRESS.internet[family]);
      const { stdout } = await fixture.sidetrack('status', '--json');
      const counters = JSON.parse(stdout).hosts[1].counters as { rule: string; packets: number }[];
      expect(counters.find(({ rule }) => rule === 'rule rest')!.packets).toBe(2);
      expect(counters.find(({ rule }) => rule === 'guard:embedded-v4')!.packets).toBe(1);
      const [after, attached] = [await everything(), await filters()];
      // By hand in the namespace it finds the same pins.
      await fixture.lab.check('router', [process.execPath, CLI, 'bpf', 'show']);
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
      expect(await everything()).toEqual(after);
      expect(await filters()).toBe(attached);
      await fixture.succeed('down');
      expect(await everything()).toEqual(before);
      expect(await leftovers(fixture.lab)).toBe('');
      expect(await fixture.succeed('down')).toContain('Nothing to remove');
    });

    it('plan --sh does exactly what apply does', { tags: 'long' }, async () => {
      const scripts = await fixture.scripts();
      for (const node of ['server1', 'router'])
        await fixture.lab.check(undefined, ['sh', `${scripts}/${node}-up.sh`]);
      const byHand = await everything();
      await fixture.succeed('down');
      await fixture.succeed('apply');
      expect(await everything()).toEqual(byHand);
    });

    it('a switch to nftables and back keeps live flows of both families', { tags }, async () => {
      await fixture.succeed('apply');
      const held = await Promise.all(
        FAMILIES.map((family) => holdConnection(fixture, 'client', ADDRESS.internet[family])),
      );
      /** Each flow answers, and each is steered. */
      async function expectSteered(line: string): Promise<void> {
        let before = await steered();
        for (const one of held) {
          await one.roundTrip(line);
          const after = await steered();
          expect(after).toBeGreaterThan(before);
          before = after;
        }
      }
      await expectSteered('ebpf');
      use('nftables');
      expect(await fixture.succeed('plan')).toContain('nftables takes over its live flows');
      await fixture.succeed('apply');
      expect(await filters()).not.toContain('sidetrack');
      await expectSteered('nftables');
      use(classifier);
      expect(await fixture.succeed('plan')).toContain('takes over the live flows of nftables');
      await fixture.succeed('apply');
      await expectSteered('ebpf again');
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
      for (const one of held) await one.end();
    });
  });

  it('a long list is handed over, judges and goes away', async () => {
    const lines = Array.from(
      { length: 200_000 },
      (_, i) => `10.${i >> 10}.${(i >> 2) & 255}.${(i & 3) * 64}/27`,
    );
    await fixture.lab.check('router', ['tee', `${fixture.directory}/long.txt`], {
      stdin: `${lines.join('\n')}\n198.51.100.8\n`,
    });
    use('ebpf-mark', [
      [REST, `{ name: long, to: [long], action: direct }\n  - ${REST}`],
      ['rules:', 'sets: { long: { file: long.txt } }\nrules:'],
    ]);
    expect(await fixture.succeed('apply')).toContain('Done.');
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    await expectDownload('198.51.100.8');
    expect(await steered()).toBe(0);
    await expectDownload(ADDRESS.internet.v4);
    expect(await steered()).toBeGreaterThan(0);
    await fixture.succeed('down');
  });

  describe('drift', () => {
    it.each<[string, string | null, Classifier]>([
      ['a removed filter', 'tc filter del dev br-lan ingress', 'ebpf-mark'],
      ['a removed filter', 'tc filter del dev br-lan ingress', 'ebpf-redirect'],
      ['a removed qdisc', 'tc qdisc del dev lan2 clsact', 'ebpf-mark'],
      ['removed pins', `rm -r ${DIRECTORY}/program`, 'ebpf-redirect'],
      ['a detached classifier', null, 'ebpf-mark'],
      ['a deleted table', 'nft delete table inet sidetrack', 'ebpf-redirect'],
      ['a removed policy rule', 'ip rule del priority 1500', 'ebpf-mark'],
    ])(
      '%s is seen by status and repaired by apply (%s, %s)',
      { tags: 'long' },
      async (_name, script, classifier) => {
        use(classifier);
        await fixture.succeed('apply');
        const good = alike(await filters());
        if (script === null)
          await fixture.lab.check('router', [process.execPath, CLI, 'bpf', 'detach']);
        else await onRouter(script);
        expect((await fixture.sidetrack('status')).status).toBe(1);
        expect(await fixture.succeed('apply')).toContain('Done.');
        const { status, stdout } = await fixture.sidetrack('status');
        expect({ status, stdout }).toMatchObject({ status: 0 });
        expect(alike(await filters())).toBe(good);
        const before = await steered();
        await expectDownload(ADDRESS.internet.v4);
        expect(await steered()).toBeGreaterThan(before);
      },
    );

    it('an address that the router gets is none', { tags: 'long' }, async () => {
      await fixture.succeed('apply');
      await onRouter('ip address add 192.0.2.77/32 dev wan');
      expect((await fixture.sidetrack('status')).status).toBe(0);
      await onRouter('ip address del 192.0.2.77/32 dev wan');
    });
  });

  describe('failure half-way', () => {
    /** Makes a changing call of a program on every host fail. */
    async function applyWithBroken(program: string, pattern: string) {
      const directory = `${fixture.directory}/bin`;
      const real = (
        await fixture.lab.check(undefined, ['sh', '-c', `command -v ${program}`])
      ).trim();
      const wrapper = `#!/bin/sh\ncase "$*" in *"${pattern}"*) echo broken on purpose >&2; exit 1 ;; esac\nexec ${real} "$@"\n`;
      const install = `mkdir -p ${directory} && cat > ${directory}/${program} && chmod +x ${directory}/${program}`;
      await fixture.lab.check(undefined, ['sh', '-c', install], { stdin: wrapper });
      const env = { PATH: `${directory}:${process.env.PATH}` };
      const result = await fixture.sidetrackWith({ env }, 'apply');
      await fixture.lab.check(undefined, ['rm', `${directory}/${program}`]);
      return result;
    }

    it('of a switch to ebpf puts nftables back, with its live flows', {
      tags: 'long',
    }, async () => {
      use('nftables');
      await fixture.succeed('apply');
      const held = await holdConnection(fixture, 'client');
      await held.roundTrip('before');
      const before = withoutFlows(await everything());
      use('ebpf-mark');
      // The rule that nftables asks the route with goes last.
      const { status, stderr } = await applyWithBroken('ip', 'rule del');
      expect(stderr).toContain('every change was put back');
      expect(status).toBe(1);
      expect(withoutFlows(await everything())).toEqual(before);
      const count = await steered();
      await held.roundTrip('after');
      expect(await steered()).toBeGreaterThan(count);
      await held.end();
      use('nftables');
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
    });

    it('of a switch to nftables puts ebpf back, with its live flows', {
      tags: 'long',
    }, async () => {
      await fixture.succeed('apply');
      const held = await holdConnection(fixture, 'client');
      await held.roundTrip('before');
      const before = await everything();
      use('nftables', [['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]']]);
      // Not those that the roll-back deletes.
      const { status, stderr } = await applyWithBroken('ip', 'rule del priority 1500 iif lan2');
      expect(stderr).toContain('every change was put back');
      expect(status).toBe(1);
      expect(await everything()).toEqual(before);
      const count = await steered();
      await held.roundTrip('after');
      expect(await steered()).toBeGreaterThan(count);
      await held.end();
      use('ebpf-mark');
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
    });

    it('of a new policy puts the old one back', async () => {
      await fixture.succeed('apply');
      const held = await holdConnection(fixture, 'client');
      await held.roundTrip('before');
      const before = await everything();
      use('ebpf-mark', [
        [REST, DIRECT],
        ['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]'],
      ]);
      const { status } = await applyWithBroken('ip', 'rule del');
      expect(status).toBe(1);
      expect(await everything()).toEqual(before);
      await held.roundTrip('after');
      await held.end();
      const count = await steered();
      await expectDownload(ADDRESS.internet.v4);
      expect(await steered()).toBeGreaterThan(count);
      use('ebpf-mark');
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
    });

    it('what the kernel refuses is said before anything changes', async () => {
      const before = await everything();
      use('ebpf-mark', [['interfaces: [br-lan, lan2]', 'interfaces: [br-lan, lo]']]);
      const { status, stderr } = await fixture.sidetrack('apply');
      expect(stderr).toContain('"lo" carries no Ethernet frames');
      expect(status).not.toBe(0);
      expect(await everything()).toEqual(before);
    });
  });

  it('a bridge whose frames netfilter sees first is warned of, where it matters', {
    tags: 'long',
  }, async () => {
    await onRouter('echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables');
    expect((await fixture.sidetrack('plan')).stderr).toContain('bridge-nf-call-iptables is 1');
    use('ebpf-redirect');
    expect((await fixture.sidetrack('plan')).stderr).not.toContain('bridge-nf-call');
    await onRouter('echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables');
  });
});
