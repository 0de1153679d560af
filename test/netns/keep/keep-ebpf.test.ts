/** A router keeps its eBPF classifier: what is detached is attached again. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Fixture } from '../fixture.js';
import { holdConnection } from '../hold.js';
import { findProgram } from '../machines/programs.js';
import { Kept, type Watcher } from './kept.js';

let fixture: Fixture;
let watcher: Watcher | undefined;

const BUSYBOX = findProgram('busybox');
const SHELLS: [string, string[]][] = [['dash', ['dash']]];
if (BUSYBOX?.includes('/rivals/')) SHELLS.push(['BusyBox', [BUSYBOX, 'sh']]);

const KIND = 'eBPF classifier';
const UNFILTER = ['tc', 'filter', 'del', 'dev', 'br-lan', 'ingress'];
const UNQUEUE = ['tc', 'qdisc', 'del', 'dev', 'br-lan', 'clsact'];
const pins = async () => {
  const all = await fixture.lab.check('router', ['sh', '-c', 'echo /sys/fs/bpf/sidetrack*']);
  return all.trim();
};

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
});
afterAll(() => fixture?.stop());
afterEach(async () => {
  await watcher?.end();
  watcher = undefined;
});

async function watched(shell?: string[]): Promise<Kept> {
  fixture.configureWith([]);
  await fixture.succeed('apply');
  const kept = await Kept.of(fixture, 'router', shell);
  watcher = await kept.watch();
  return kept;
}

async function repaired(kept: Kept, name: string, argv: readonly string[]): Promise<void> {
  await kept.repairs(name, KIND, argv);
  expect((await fixture.sidetrack('status')).status, name).toBe(0);
}

describe('the eBPF classifier', () => {
  beforeEach(() => {
    fixture.classifier = 'ebpf-mark';
  });

  it('is attached again where its filter is gone, and live flows stay', async () => {
    const kept = await watched();
    const held = await holdConnection(fixture, 'client');
    await repaired(kept, 'a removed qdisc', UNQUEUE);
    await held.roundTrip('behind it');
    await held.end();
    expect((await kept.state())!.alarms).toEqual([]);
  });
});

describe.each(SHELLS)('in %s the eBPF classifier', { tags: ['long'] }, (_shell, shell) => {
  it.each(['ebpf-mark', 'ebpf-redirect', 'ebpf-xdp'] as const)('%s', async (classifier) => {
    fixture.classifier = classifier;
    const kept = await watched(shell);
    expect((await kept.state())!.repairs[KIND]).toBeUndefined();
    await repaired(kept, 'a removed filter', UNFILTER);
    await repaired(kept, 'a removed qdisc', UNQUEUE);
    await repaired(kept, 'removed pins', ['rm', '-r', await pins()]);
    if (classifier === 'ebpf-xdp')
      await repaired(kept, 'a removed XDP program', [
        'sh',
        '-c',
        'for one in /sys/fs/bpf/sidetrack*/xdp/*; do ip link set dev "${one##*/}" xdpgeneric off; ip link set dev "${one##*/}" xdpdrv off; done; :',
      ]);
    expect((await kept.state())!.alarms).toEqual([]);
    expect((await kept.state())!.open).toEqual([]);
  });
});
