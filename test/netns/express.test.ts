/** Connections that pass in the kernel: nothing of them changes but who does the work. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { ExpressLab } from './express.js';
import { FAMILIES, url } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';

const HOST = ADDRESS.internet.v4;

let lab: ExpressLab;

beforeAll(async () => {
  lab = await ExpressLab.start();
});
afterAll(() => lab?.stop());

describe.each(FAMILIES)('over %s', (family) => {
  const host = ADDRESS.internet[family];

  it('a download arrives unchanged, and each byte is counted once', async () => {
    const [bytes, all] = [await lab.moved(), await lab.metric('bytes_total{direction="download"}')];
    const size = 8_000_000;
    const { status, digest } = await lab.byExpress(() =>
      lab.fixture.download('client', url(host, `/bytes/${size}`)),
    );
    expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(size) });
    expect((await lab.moved()) - bytes).toBeGreaterThan(size / 2);
    const headers = (await lab.metric('bytes_total{direction="download"}')) - all - size;
    expect(headers).toBeGreaterThan(0);
    expect(headers).toBeLessThan(20_000);
  });

  it('an upload arrives unchanged, the client’s FIN with it, and the answer behind that', async () => {
    const work = () => lab.fixture.client('client', 'half-close', host, '5000000');
    expect(await lab.byExpress(work)).toEqual({ match: true });
  });

  it('bytes go both ways at once', async () => {
    const work = () => lab.fixture.client('client', 'duplex', host, '2', '3000000');
    expect(await lab.byExpress(work)).toEqual({ flows: 2, wrong: 0 });
  });
});

it('small messages pass one by one', async () => {
  const work = () => lab.fixture.client('client', 'echo', HOST, '1000');
  expect(await lab.byExpress(work)).toEqual({ rounds: 1000 });
});

it('conntrack of server1 remembers nothing of what has passed', async () => {
  const work = () => lab.fixture.download('client', url(HOST, '/bytes/3000000'));
  await lab.byExpress(work);
  const known = await lab.fixture.lab.check('server1', ['cat', '/proc/net/nf_conntrack']);
  expect(known).toContain('dport=9150');
  expect(known.split('\n').filter((line) => /ESTABLISHED .* dport=80 /.test(line))).toEqual([]);
});

it('a connection that the client gives up ends on the other side, too', async () => {
  const client = lab.startDownload();
  await lab.untilPassing(1);
  client.signal('SIGKILL');
  await lab.untilPassing(0);
  await lab.untilNoConnection('internet', 80);
});

it('a connection that an operator closes is reset at both ends', async () => {
  const client = lab.startDownload();
  await lab.untilPassing(1);
  const { connections } = JSON.parse(await lab.command('connections', '--json'));
  expect(connections).toMatchObject([
    { upload: { mode: 'express' }, download: { mode: 'express' } },
  ]);
  expect(connections[0].rtt).toEqual({});
  await lab.command('close', `${connections[0].id}`);
  expect(await client.exited).not.toBe(0);
  await lab.untilPassing(0);
  await lab.untilNoConnection('internet', 80);
});
