/** Express beside what goes wrong: loss, odd peers, a relay that dies or ends. */
import { afterEach, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { ExpressLab } from './express.js';
import { FAMILIES, url, waitFor } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';

const HOST = ADDRESS.internet.v4;
const SIZE = 30_000_000;

let lab: ExpressLab;
afterEach(() => lab?.stop());

async function expectDownload(size = SIZE, host: string = HOST): Promise<void> {
  const { status, digest } = await lab.fixture.download('client', url(host, `/bytes/${size}`));
  expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(size) });
}

/** Loses one packet of TCP in `one` that comes in on `node`. */
const lose = (node: string, one: number) =>
  lab.fixture.lab.check(node, [
    'nft',
    `add table inet loss; add chain inet loss in { type filter hook input priority 0; }; add rule inet loss in meta l4proto tcp numgen random mod ${one} 0 drop`,
  ]);

const sysctl = (node: string, name: string, value: number) =>
  lab.fixture.lab.check(node, ['sysctl', '-qw', `net.ipv4.${name}=${value}`]);

describe('loss', { tags: ['long'] }, () => {
  it('is repaired by the ends, in both directions', async () => {
    lab = await ExpressLab.start();
    for (const node of ['client', 'internet']) await lose(node, 300);
    await lab.byExpress(() => expectDownload(10_000_000));
    const work = () => lab.fixture.client('client', 'half-close', HOST, '10000000');
    expect(await lab.byExpress(work)).toEqual({ match: true });
    const both = () => lab.fixture.client('client', 'duplex', HOST, '3', '3000000');
    expect(await lab.byExpress(both)).toEqual({ flows: 3, wrong: 0 });
  });
});

describe('what ends have agreed on', { tags: ['long'] }, () => {
  it('a client without window scales', async () => {
    lab = await ExpressLab.start();
    await sysctl('client', 'tcp_window_scaling', 0);
    await lab.byExpress(() => expectDownload(10_000_000));
  });

  it('nobody with timestamps', async () => {
    lab = await ExpressLab.start();
    for (const node of ['client', 'internet']) await sysctl(node, 'tcp_timestamps', 0);
    await lab.byExpress(() => expectDownload());
  });

  it.each(['tcp_timestamps', 'tcp_sack'])(
    'a client alone without %s stays with splice',
    async (name) => {
      lab = await ExpressLab.start();
      await sysctl('client', name, 0);
      await expectDownload(10_000_000);
      expect(await lab.metric('express_refused_total')).toBe(1);
      expect(await lab.changes()).toBe(0);
    },
  );

  it('a destination that takes smaller segments stays with splice', async () => {
    lab = await ExpressLab.start();
    await lab.fixture.lab.check('internet', [
      'sh',
      '-c',
      'for d in /sys/class/net/*; do d=${d##*/}; [ $d = lo ] || ip link set $d mtu 1400; done',
    ]);
    await expectDownload(10_000_000);
    expect(await lab.metric('express_refused_total')).toBe(1);
  });
});

describe('tproxy', { tags: ['long'] }, () => {
  it.each(FAMILIES)('passes over %s', async (family) => {
    lab = await ExpressLab.start(
      LAB_CONFIG.replace('program: relay', 'capture: tproxy\n    program: relay'),
    );
    await lab.byExpress(() => expectDownload(SIZE, ADDRESS.internet[family]));
  });
});

describe('many', { tags: ['long'] }, () => {
  it('flows at once, and nothing is left', async () => {
    lab = await ExpressLab.start();
    const work = () => lab.fixture.client('client', 'same', HOST, '50', '3000000');
    expect(await lab.byExpress(work, 10)).toEqual({ flows: 50, wrong: 0 });
    const sockets = await lab.fixture.lab.check('server1', ['ss', '-Htn', 'state', 'established']);
    expect(
      sockets
        .trim()
        .split('\n')
        .filter((line) => line.includes(':80')),
    ).toEqual([]);
  });
});

describe('the relay', { tags: ['long'] }, () => {
  const download = () =>
    lab.fixture.lab.run(
      'client',
      ['bash', '-c', `curl -gsSf --limit-rate 20M ${url(HOST, '/bytes/100000000')} | sha256sum`],
      { timeoutMs: 60_000 },
    );

  it('may die: what passes goes on, and the next relay starts', async () => {
    lab = await ExpressLab.start();
    const running = download();
    await lab.untilPassing(1);
    lab.relay.signal('SIGKILL');
    await lab.relay.exited;
    expect((await running).stdout).toContain(pseudoRandomDigest(100_000_000));
    lab.relay = await lab.fixture.startRelay();
    await lab.byExpress(() => expectDownload(10_000_000));
  });

  it('that hands over keeps what passes until it ends', async () => {
    lab = await ExpressLab.start();
    const running = download();
    await lab.untilPassing(1);
    lab.relay.signal('SIGUSR2');
    await waitFor(
      'the successor to have taken over',
      async () => (await lab.changes().catch(() => undefined)) === 0,
    );
    await lab.byExpress(() => expectDownload(10_000_000));
    expect((await running).stdout).toContain(pseudoRandomDigest(100_000_000));
    // Its successor has the same pipes, so they stay open.
    await waitFor('it to end', async () => lab.relay.child.exitCode === 0);
    await lab.byExpress(() => expectDownload(10_000_000));
  });

  it('that stops resets what is left, and takes its program away', async () => {
    lab = await ExpressLab.start(LAB_CONFIG, '  drain_seconds: 0\n');
    const client = lab.startDownload();
    await lab.untilPassing(1);
    lab.relay.signal('SIGTERM');
    await lab.relay.exited;
    expect(await client.exited).not.toBe(0);
    await lab.untilNoConnection('internet', 80);
    const list = ['tc', 'filter', 'show', 'dev', 'eth0', 'ingress'];
    expect((await lab.fixture.lab.run('server1', list)).stdout).toBe('');
  });
});
