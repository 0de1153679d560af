/** Which congestion control each leg gets, by what the kernel has and lets the relay use. */
import { describe, expect, it } from 'vitest';
import { kernelOf } from '../../../control/apply/congestion.js';
import { congestionNames, congestionOf } from '../../../control/cli/relay/congestion.js';
import { parseConfig } from '../../../control/config/load.js';
import {
  type CongestionOfKernel,
  chooseCongestion,
  congestionText,
} from '../../../control/plan/congestion.js';

const config = (control = '') =>
  parseConfig(
    'x.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
relay: { congestion_control: { ${control} } }
`,
  );

const kernel = (
  system: string,
  available: string[],
  allowed: string[] = available,
): CongestionOfKernel => ({
  system,
  available,
  refusal: (name) =>
    !available.includes(name) ? 'ENOENT' : allowed.includes(name) ? undefined : 'EPERM',
});

const ALL = ['reno', 'cubic', 'bbr'];

async function choose(control: string, on: CongestionOfKernel) {
  const { relay } = await config(control);
  const choice = chooseCongestion(relay.congestionControl, on);
  return { names: congestionNames(choice), text: congestionText(choice) };
}

describe('by default', () => {
  it('nothing is said where the system does not pace', async () => {
    const { names, text } = await choose('', kernel('cubic', ALL));
    expect(names).toEqual({});
    expect(text).toBe('congestion control: client cubic (auto), upstream cubic (system)');
  });

  it.each([
    { system: 'bbr', allowed: ALL, client: 'cubic' },
    { system: 'bbr3', allowed: ALL, client: 'cubic' },
    { system: 'bbr', allowed: ['reno', 'bbr'], client: 'reno' },
  ])('clients on attached networks get $client beside $system', async (one) => {
    const { names, text } = await choose('', kernel(one.system, ALL, one.allowed));
    expect(names).toEqual({ client: one.client, elsewhere: one.system });
    expect(text).toBe(
      `congestion control: client ${one.client} (auto; clients beyond its networks ${one.system}), upstream ${one.system} (system)`,
    );
  });

  it('the system is left as it is where nothing else may be used, and that is told', async () => {
    const on = kernel('bbr', ALL, []);
    const { choice, warnings } = congestionOf(await config(), on);
    expect(congestionNames(choice)).toEqual({});
    expect(warnings).toMatchObject([
      {
        line: 3,
        message:
          'the kernel refuses the congestion control "cubic" to the relay (EPERM): the client\'s leg keeps bbr',
        hint: 'allow it: sysctl -w net.ipv4.tcp_allowed_congestion_control="reno bbr cubic", and reload the relay; in a container on its host',
      },
    ]);
    expect(congestionText(choice)).toContain('client bbr (cubic is refused: EPERM)');
  });
});

describe('as configured', () => {
  it('each leg has its own', async () => {
    const { names, text } = await choose('client: reno, upstream: bbr', kernel('cubic', ALL));
    expect(names).toEqual({ client: 'reno', upstream: 'bbr' });
    expect(text).toBe('congestion control: client reno, upstream bbr');
  });

  it('what is refused leaves the system, with the command', async () => {
    const { choice, warnings } = congestionOf(
      await config('client: system, upstream: bbr'),
      kernel('cubic', ALL, ['reno', 'cubic']),
    );
    expect(congestionNames(choice)).toEqual({});
    expect(warnings.map(({ hint }) => hint)).toEqual([
      'allow it: sysctl -w net.ipv4.tcp_allowed_congestion_control="reno cubic bbr", and reload the relay; in a container on its host',
    ]);
  });

  it('a name that the kernel does not have is an error with its place and what there is', async () => {
    const wrong = await config('upstream: bbbr');
    expect(() => congestionOf(wrong, kernel('cubic', ALL))).toThrow(
      'x.yaml:3:42: this kernel has no congestion control "bbbr"; it has reno, cubic, bbr; write one of those, or load it: modprobe tcp_bbbr',
    );
  });

  it.each([
    ['client: "Cubic!"', '"Cubic!" is no congestion control'],
    ['client: 7', 'must be text'],
    ['upstream: auto', '"auto" is only for the client\'s leg'],
    ['upstream: sixteen_letters_', 'is no congestion control'],
    ['server: bbr', 'unknown key "server"'],
  ])('%s is wrong in every kernel', async (control, message) => {
    await expect(config(control)).rejects.toThrow(message);
  });
});

describe("what a host's kernel says", () => {
  it('is read from three lines', () => {
    const { system, available, refusal } = kernelOf('bbr\nreno cubic bbr\nreno bbr\n')!;
    expect([system, available]).toEqual(['bbr', ['reno', 'cubic', 'bbr']]);
    expect(['reno', 'cubic', 'bbr', 'cdg'].map(refusal)).toEqual([
      ...[undefined, 'EPERM', undefined, 'ENOENT'],
    ]);
  });

  it('a namespace of its own has no list of what is allowed; nothing is nothing', () => {
    expect(kernelOf('bbr\nreno cubic bbr\n\n')!.refusal('cubic')).toBeUndefined();
    expect(kernelOf('\n\n\n')).toBeUndefined();
  });
});
