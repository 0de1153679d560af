import { describe, expect, it } from 'vitest';
import { assignNumbers, markRoom } from '../../../control/config/server-marks.js';
import { errorsOf, load } from './temporary.js';

const ROUTER = 'router: { host: local, interfaces: [br-lan]';
const server = (i: number, keys = '') =>
  `  - { host: local, interface: eth0, address: 192.168.1.${i}${keys} }`;
const file = (servers: readonly string[], rest = '', router = '') =>
  `${ROUTER}${router} }\nservers:\n${servers.join('\n')}\n${rest}`;

/** Without the hints. */
async function problemsOf(text: string): Promise<string[]> {
  const errors = await errorsOf(text);
  return errors.map((line) => line.replace('sidetrack.yaml:', '').replace(/; [^;]*$/, ''));
}

describe('several servers', () => {
  it.each([
    [[server(2), server(2)], '4:46: 192.168.1.2 is the address of server1, too'],
    [
      [server(2, ', mac: 02-00-00-00-00-01'), server(3, ', mac: 02:00:00:00:00:01')],
      '4:64: 02:00:00:00:00:01 is the MAC of server1, too; each server has a MAC of its own',
    ],
    [
      [server(2, ', mark: 151'), server(3, ', mark: 0x97')],
      '4:65: 151 is the mark of server1, too',
    ],
    [
      [server(2, ', table: { id: 7 }'), server(3, ', table: { id: 7 }')],
      '4:72: 7 is the table of server1, too',
    ],
    [[server(2, ', mark: 0x197')], '3:65: mark 407 (0x197) has bits outside router.mark.mask 0xff'],
    [[server(2, ', backup: true')], '3:67: every server is a backup'],
    [
      [server(2, ', check: { tcp: "1.1.1.1:1" }')],
      '3:66: a check is for program: external; the relay knows by itself what it is fit for',
    ],
    [
      [server(2, ', program: external, check: { interval_seconds: 3 }')],
      '3:85: the check asks nothing',
    ],
    [
      [server(2, ', program: external, check: { tcp: "1.1.1.1:1", command: "true" }')],
      '3:114: "tcp" and "command" at once: a check asks one thing',
    ],
    [
      [server(2, ', weight: 0')],
      '3:67: servers[0].weight must be a whole number from 1 to 1000, not the number 0',
    ],
  ])('%j: %s', async (servers, expected) => {
    expect(await problemsOf(file(servers))).toEqual([expected]);
  });

  it('fit the mask, or are told that it is too narrow', async () => {
    const servers = Array.from({ length: 4 }, (_, i) => server(i + 2));
    const router = ', mark: { value: 1, mask: 3 }';
    expect(await problemsOf(file(servers, '', router))).toEqual([
      '1:70: the mask 0x3 has 3 marks for 4 servers',
    ]);
    expect((await load(file(servers.slice(1), '', router))).servers).toHaveLength(3);
  });

  it('are sixteen at most', async () => {
    const servers = Array.from({ length: 17 }, (_, i) => server(i + 2));
    expect(await problemsOf(file(servers))).toEqual(['3:3: servers must have at most 16 entries']);
  });
});

describe('rules that name servers', () => {
  it('have them by name, or in a list', async () => {
    const rules =
      'rules: [{ action: { proxy: server1 } }, { action: { proxy: [server1, server1] } }]';
    const config = await load(file([server(2)], rules));
    expect(config.rules).toMatchObject([
      { action: 'proxy', proto: 'tcp', servers: ['server1'] },
      { action: 'proxy', proto: 'tcp', servers: ['server1'] },
    ]);
  });

  it.each([
    ['{ proxy: [server1, serverl] }', '4:38: unknown server "serverl"'],
    ['{ proxy: box }', '4:28: unknown server "box"'],
    ['{ prxy: server1 }', '4:21: unknown key "prxy"'],
    ['{ proxy: [] }', '4:28: rules[0].action.proxy must have at least one entry'],
    ['reject', '4:19: rules[0].action must be "proxy", "direct" or "block", not the text "reject"'],
  ])('%s: %s', async (action, expected) => {
    const errors = await problemsOf(file([server(2)], `rules: [{ action: ${action} }]`));
    expect(errors).toContain(expected);
  });
});

describe('marks and tables', () => {
  const router = { mark: { value: 150, mask: 0xff }, table: { id: 250, name: 'server1' } };
  const numbered = (...numbers: number[]) =>
    numbers.map((number) => ({ name: `server${number + 1}`, number }));

  it('go on from those of the router, past those that are reserved', () => {
    const assigned = assignNumbers(router, numbered(3, 0, 1, 2));
    expect(Object.fromEntries(assigned)).toEqual({
      server1: { mark: 150, table: { id: 250, name: 'server1' } },
      server2: { mark: 151, table: { id: 251, name: 'server2' } },
      server3: { mark: 152, table: { id: 252, name: 'server3' } },
      server4: { mark: 153, table: { id: 256, name: 'server4' } },
    });
  });

  it('stay with the others when one leaves', () => {
    const assigned = assignNumbers(router, numbered(1, 2));
    expect(Object.fromEntries(assigned)).toEqual({
      server2: { mark: 151, table: { id: 251, name: 'server2' } },
      server3: { mark: 152, table: { id: 252, name: 'server3' } },
    });
    // A mask that has no value to spare gives what it has.
    const narrow = { ...router, mark: { value: 1, mask: 3 } };
    const marks = [...assignNumbers(narrow, numbered(1, 2, 3)).values()].map(({ mark }) => mark);
    expect(marks.toSorted()).toEqual([1, 2, 3]);
  });

  it('pass those that the file gives', () => {
    const [first, second, third] = numbered(0, 1, 2);
    const assigned = assignNumbers(router, [
      first!,
      second!,
      { ...third!, mark: 151, table: { id: 251, name: 'server2' } },
    ]);
    expect(assigned.get('server2')).toEqual({
      mark: 152,
      table: { id: 252, name: 'sidetrack-server2' },
    });
  });

  it('stay inside a mask with gaps, and use all of it', () => {
    const mask = 0x80000011;
    const assigned = assignNumbers(
      { ...router, mark: { value: 0x10, mask } },
      numbered(0, 1, 2, 3, 4, 5, 6, 7),
    );
    const marks = [...assigned.values()].map(({ mark }) => mark);
    expect(marks).toEqual([
      0x10,
      0x11,
      0x80000000,
      0x80000001,
      0x80000010,
      0x1,
      0x80000011,
      undefined,
    ]);
    expect(markRoom(mask)).toBe(7);
  });
});
