/** Everything that ends connections badly, all at once: the others get every byte, and nothing is left. */
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { Service } from './service.js';

const RUDE = 480;
const BULK = 30_000_000;
const PATIENCE_MS = 60_000;

/** Port 7 sends back what it gets, 9004 says nothing, and nobody is on 81. */
const USELESS = { garbage: 7, silent: 9004, nobody: 81 } as const;

function configuration(family: 'v4' | 'v6'): string {
  const host = family === 'v6' ? `[${ADDRESS.internet.v6}]` : ADDRESS.internet.v4;
  const names = Object.entries(USELESS);
  return `${LAB_CONFIG}relay:
  handshake_timeout_seconds: 1
  upstreams:
    - { name: direct, url: "direct:" }
${names.map(([name, port]) => `    - { name: ${name}, url: "socks5://${host}:${port}" }\n`).join('')}
  routes:
${names.map(([name], i) => `    - { name: ${name}, port: ${9101 + i}, upstreams: ${name} }\n`).join('')}
    - { name: rest, upstreams: direct }
`;
}

let fixture: Fixture;
let service: Service | undefined;

beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());
afterEach(() => service?.stop());

const proc = async (...argv: string[]) =>
  Number(await fixture.lab.check('server1', ['sh', '-c', argv.join(' ')]));

/** What the relay's process holds; pipes beyond those that it keeps for the next bulk. */
async function held(relay: Service): Promise<Record<string, number>> {
  const kept = await fixture.metric('sidetrack_relay_pipes');
  const descriptors = await relay.descriptors();
  return {
    threads: await proc('ls', `/proc/${relay.pid()}/task`, '|', 'wc -l'),
    descriptors: descriptors.length - 2 * kept,
    pipes: descriptors.filter((one) => one === 'pipe').length - 2 * kept,
    connections: await fixture.metric('sidetrack_relay_connections_active'),
  };
}

/** The others: short ones all the while, and one long one. */
async function polite(host: string): Promise<() => Promise<Record<string, unknown>>> {
  const client = await fixture.startPeer('client', 'knock', 'first', host, '4');
  let last = '';
  createInterface({ input: client.child.stdout! }).on('line', (line) => {
    last = line;
  });
  return async () => {
    client.child.stdin!.end();
    await client.exited;
    return JSON.parse(last);
  };
}

const noneLeft = () =>
  waitFor(
    'all connections to end',
    async () => (await fixture.metric('sidetrack_relay_connections_active')) === 0,
    PATIENCE_MS,
  );

it.each(FAMILIES)('over %s', async (family) => {
  const host = ADDRESS.internet[family];
  fixture.configure(configuration(family));
  service = await Service.start(fixture);
  const relay = service;
  await fixture.succeed('apply');
  await relay.until('the pages', () => relay.said.includes('/metrics'));
  // The first of each kind has everything loaded that stays.
  expect((await fixture.download('client', url(host, '/bytes/1000'))).status).toBe(0);
  await noneLeft();
  const before = await held(relay);

  const finish = await polite(host);
  const long = fixture.download('client', url(host, `/bytes/${BULK}`));
  const rude = await fixture.lab.run(
    'client',
    [process.execPath, 'test/netns/peers/rude.mjs', host, String(RUDE)],
    { timeoutMs: PATIENCE_MS },
  );
  expect(rude).toMatchObject({ status: 0, stderr: '' });
  const happened = Object.values(JSON.parse(rude.stdout) as Record<string, number>);
  expect(happened).toEqual(happened.map(() => RUDE / happened.length));
  expect(await long).toEqual({ status: 0, digest: pseudoRandomDigest(BULK) });
  expect(await finish()).toMatchObject({ failed: {}, wrong: 0 });

  await noneLeft();
  await expect.poll(() => held(relay), { timeout: PATIENCE_MS }).toEqual(before);
  const counted = [
    'closed_total{reason="client_reset"}',
    'closed_total{reason="upstream_reset"}',
    'connect_errors_total{reason="refused"}',
    'upstream_errors_total{upstream="garbage",reason="upstream_protocol"}',
    'upstream_errors_total{upstream="silent",reason="handshake_timeout"}',
    'upstream_errors_total{upstream="nobody",reason="refused"}',
  ];
  for (const sample of counted)
    expect(await fixture.metric(`sidetrack_relay_${sample}`), sample).toBeGreaterThan(0);
});
