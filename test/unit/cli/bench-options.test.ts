import { describe, expect, it } from 'vitest';
import {
  type BenchCommandOptions,
  checkBenchOptions,
  readAddresses,
  readDirect,
  readFamilies,
  readServer,
  readTests,
} from '../../../control/cli/bench/options.js';
import { benchCommand } from '../../../control/cli/commands/bench.js';

describe('a server', () => {
  it.each([
    ['ssh://root@vps', { host: { kind: 'ssh', user: 'root', host: 'vps' } }],
    ['netns://internet', { host: { kind: 'netns', name: 'internet' } }],
    ['local', { host: { kind: 'local' } }],
    ['vps.example.net', { running: { address: 'vps.example.net', port: 5201 } }],
    ['192.0.2.1:5300', { running: { address: '192.0.2.1', port: 5300 } }],
    ['[2001:db8::1]:5300', { running: { address: '2001:db8::1', port: 5300 } }],
    ['2001:db8::1', { running: { address: '2001:db8::1', port: 5201 } }],
  ])('%s', (text, place) => {
    expect(readServer(text)).toEqual(place);
  });

  it.each(['', '--reverse', 'a b', 'host:0', 'host:99999', '-x:5201', 'http://x', 'ssh://vps'])(
    '"%s" is none',
    (text) => {
      expect(() => readServer(text)).toThrow();
    },
  );
});

describe('a second way', () => {
  it.each([
    [':587', { ports: [587] }],
    [':587,465', { ports: [587, 465] }],
    ['192.0.2.9:5201', { address: '192.0.2.9', ports: [5201] }],
    ['[2001:db8::9]:5201,5202', { address: '2001:db8::9', ports: [5201, 5202] }],
    ['vps:5201', { address: 'vps', ports: [5201] }],
  ])('%s', (text, direct) => {
    expect(readDirect(text)).toEqual(direct);
  });

  it.each(['', ':', ':0', ':70000', 'vps', ':587,', ':587,0', '--x:1', 'a b:5'])(
    '"%s" is none',
    (text) => {
      expect(() => readDirect(text)).toThrow('second way');
    },
  );
});

it('addresses are one of each family', () => {
  expect(readAddresses('192.0.2.1, 2001:db8::1')).toEqual({ 4: '192.0.2.1', 6: '2001:db8::1' });
  expect(() => readAddresses('192.0.2.1,192.0.2.2')).toThrow('two addresses of IPv4');
  expect(() => readAddresses('vps')).toThrow('"vps" is no address');
});

it('tests are known by name, families by number', () => {
  expect(readTests('upload,latency,upload')).toEqual(['upload', 'latency']);
  expect(() => readTests('uplaod')).toThrow('there is no test "uplaod"');
  expect(readFamilies({})).toEqual([4, 6]);
  expect(readFamilies({ family: '6' })).toEqual([6]);
});

/** As commander reads them. */
async function optionsOf(...argv: string[]): Promise<BenchCommandOptions> {
  const command = benchCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  let read: BenchCommandOptions | undefined;
  command.action((options: BenchCommandOptions) => {
    read = options;
  });
  await command.parseAsync(argv, { from: 'user' });
  return read!;
}

describe('on the command line', () => {
  it('defaults are bounded', async () => {
    const options = await optionsOf('--lab');
    expect(options).toEqual({
      ...{ lab: true, port: 5201, streams: 8, duration: 2, runs: 5, order: 'abba' },
    });
    expect(() => checkBenchOptions(options)).not.toThrow();
    expect((await optionsOf('--lab', '--max-bytes', '20G')).maxBytes).toBe(20e9);
  });

  it.each([
    ['--duration', '0'],
    ['--duration', '1e9'],
    ['--runs', '51'],
    ['--streams', '1001'],
    ['--port', '65536'],
    ['--max-bytes', '5 GB'],
    ['--family', '5'],
    ['--order', 'any'],
  ])('%s %s is refused', async (name, value) => {
    await expect(optionsOf('--lab', name, value)).rejects.toThrow();
  });

  it.each([
    [[], 'where does the traffic end?'],
    [['--lab', '--server', 'vps'], '--lab has its own client and server'],
    [['--server', 'vps', '--variants', 'tproxy'], '--variants changes the set-up'],
    [['--server', 'vps', '--fail-if-slower'], '--fail-if-slower needs something'],
  ])('%j: %s', async (argv, message) => {
    const options = await optionsOf(...argv);
    expect(() => checkBenchOptions(options)).toThrow(message);
  });
});
