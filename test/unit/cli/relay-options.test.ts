/** A setting of the relay goes from the schema to the engine by its name alone. */
import { expect, it } from 'vitest';
import { relayOptions } from '../../../control/cli/relay/options.js';
import { parseConfig } from '../../../control/config/load.js';
import { scalarKeys } from '../../../control/config/relay-scalars.js';
import { probeSchema, relaySchema } from '../../../control/config/schema.js';
import { optionOffset, strategies } from '../../../proxy/abi.js';
import { encodeOptions } from '../../../proxy/options.js';

async function encode(relay: string): Promise<Buffer> {
  const config = await parseConfig(
    'x.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
relay: { ${relay} }
`,
  );
  return encodeOptions(relayOptions(config, config.servers[0]!, []));
}

const valuesOf = (options: Buffer) =>
  Object.entries(optionOffset).map(
    ([name, offset]) => [name, options.readUInt32LE(offset)] as const,
  );

/** Values of the file that no default has, and what the engine is to get. */
const SAMPLES: Readonly<Record<string, [written: string, number]>> = {
  strategy: ['weighted', strategies.indexOf('weighted')],
  tcp_info: ['false', 0],
  fast_open: ['true', 1],
  express: ['on', 1],
  express_after: ['100000', 100_000],
};
const NUMBER = 17;

const expectedOf = (key: string): [written: string, number] => {
  const inMilliseconds = /_seconds$/.test(key) && key !== 'keepalive_seconds';
  return SAMPLES[key] ?? [String(NUMBER), inMilliseconds ? NUMBER * 1000 : NUMBER];
};

it.each(scalarKeys(relaySchema))('relay.%s reaches the engine', async (key) => {
  const [written, expected] = expectedOf(key);
  const before = valuesOf(await encode(''));
  const after = valuesOf(await encode(`${key}: ${written}`));
  const changed = after.filter(([, value], i) => value !== before[i]![1]);
  expect(changed).toEqual([[expect.stringContaining(key.replace(/_seconds$/, '')), expected]]);
});

it.each(scalarKeys(probeSchema))('relay.probe.%s reaches the engine', async (key) => {
  const probe = (more: string) => encode(`probe: { tls: "192.0.2.1:443"${more} }`);
  const before = valuesOf(await probe(''));
  const after = valuesOf(await probe(`, ${key}: ${NUMBER}`));
  const changed = after.filter(([, value], i) => value !== before[i]![1]);
  expect(changed).toEqual([[`probe_${key.replace(/_seconds$/, '_ms')}`, NUMBER * 1000]]);
});

it('there are as many as one would think', () => {
  expect(scalarKeys(relaySchema)).toContain('handshake_timeout_seconds');
  expect(scalarKeys(relaySchema).length).toBeGreaterThan(10);
  expect(scalarKeys(probeSchema)).toEqual(['interval_seconds', 'timeout_seconds']);
});

it('what has words is a number of the engine, and only those words', async () => {
  const options = valuesOf(
    await encode('strategy: least-connections, probe: { banner: "192.0.2.1:22" }'),
  );
  expect(Object.fromEntries(options)).toMatchObject({ strategy: 2, probe_answer: 1, capture: 0 });
  expect(() => encodeOptions({ port: 1, strategy: 'at random' as 'failover' })).toThrow(
    'strategy cannot be "at random"',
  );
});
