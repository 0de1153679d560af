import { expect, it } from 'vitest';
import { SidetrackError } from '../../../control/error.js';
import { parseLabEntry } from '../../../control/lab/lab-entry.js';

const PATH = '/run/user/0/sidetrack-labs-0/lab.json';
const ENTRY = { pid: 4711, userNamespace: true, pidNamespace: 'pid:[4026531836]' };

it('reads an entry of now, and one from before there were versions', () => {
  const now = { version: 1, ...ENTRY, servers: 3 };
  expect(parseLabEntry(PATH, JSON.stringify(now))).toEqual(now);
  expect(parseLabEntry(PATH, JSON.stringify(ENTRY))).toEqual({ ...now, servers: 1 });
});

it.each([
  ['', 'it is empty', 'rm /run'],
  ['{"pid":47', 'it is no JSON', 'rm /run'],
  // kill(2) would mean every process, or every one of our group.
  [{ ...ENTRY, pid: -1 }, 'pid: ', 'rm /run'],
  [{ ...ENTRY, pid: 0 }, 'pid: ', 'rm /run'],
  [{ ...ENTRY, pid: '4711' }, 'pid: expected ', 'rm /run'],
  [{ ...ENTRY, servers: 17 }, 'servers: ', 'rm /run'],
  [{ ...ENTRY, version: 2 }, 'its version is 2', 'the sidetrack that started it'],
])('anything else gets no signal: %#', (value, problem, hint) => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  expect(() => parseLabEntry(PATH, text)).toThrow(
    expect.objectContaining({
      constructor: SidetrackError,
      code: 'lab-damaged',
      message: expect.stringContaining(problem),
      hint: expect.stringContaining(hint),
    }),
  );
});
