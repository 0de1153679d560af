import { expect, it } from 'vitest';
import { SidetrackError } from '../../../control/error.js';
import { parseSavedState } from '../../../control/plan/saved-state.js';

const HOST = { address: 'local', stateDir: '/run/sidetrack' };
const STATE = {
  version: 1,
  sysctls: { 'net/ipv4/ip_forward': '0' },
  objects: { 'chain steer': { desired: 'a', listed: 'b' } },
  classifier: '0123456789abcdef',
};

it('reads what it wrote, and what a later version has added', () => {
  expect(parseSavedState(HOST, JSON.stringify(STATE))).toEqual(STATE);
  expect(parseSavedState(HOST, JSON.stringify({ ...STATE, more: [1] }))).toEqual(STATE);
  const { classifier: _, ...older } = STATE;
  expect(parseSavedState(HOST, JSON.stringify(older))).toEqual(older);
});

it.each([
  ['', 'it is empty'],
  ['{"version":1,"sysctls":{', 'it is no JSON'],
  ['null', 'expected object, received null'],
  [{ ...STATE, sysctls: [1] }, 'sysctls: '],
  [{ ...STATE, sysctls: { a: 1 } }, 'sysctls.a: expected string, received number'],
  [{ ...STATE, objects: { 'set x': { desired: 'a' } } }, 'objects.set x.listed: '],
  // It becomes part of a file's name, and that file is removed.
  [{ ...STATE, classifier: '../../etc/passwd' }, 'classifier: must be a digest'],
])('damage is told in one line, with what to type: %#', (value, problem) => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  expect(() => parseSavedState(HOST, text)).toThrow(
    expect.objectContaining({
      constructor: SidetrackError,
      code: 'state-damaged',
      message: expect.stringContaining(`local: /run/sidetrack/state.json is damaged: ${problem}`),
      hint: expect.stringContaining('rm /run/sidetrack/state.json'),
    }),
  );
});

it('another version is not called damage', () => {
  expect(() => parseSavedState(HOST, JSON.stringify({ ...STATE, version: 2, sysctls: 7 }))).toThrow(
    expect.objectContaining({
      code: 'state-version',
      message: expect.stringContaining('its version is 2, which this sidetrack does not know'),
      hint: expect.stringContaining('sidetrack down'),
    }),
  );
});
