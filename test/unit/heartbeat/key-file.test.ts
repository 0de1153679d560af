import { describe, expect, it } from 'vitest';
import {
  heartbeatFileText,
  readHeartbeatFile,
  withoutKey,
} from '../../../control/heartbeat/key-file.js';

const KEY = 'ab'.repeat(32);
const FILE = {
  server: 's1',
  key: KEY,
  from: '192.168.1.2',
  to: [{ address: '192.168.1.1', port: 9155 }],
};
const TEXT = heartbeatFileText(FILE);

describe('heartbeat.json', () => {
  it('is read as it was written', () => {
    expect(readHeartbeatFile(TEXT)).toEqual({ value: { version: 1, interval_ms: 500, ...FILE } });
  });

  it.each([
    ['another version', TEXT.replace('"version": 1', '"version": 2'), 'its version is 2'],
    ['a short key', TEXT.replace(KEY, KEY.slice(2)), 'key: is no key'],
    ['a name for an address', TEXT.replace('192.168.1.1"', 'router.lan"'), 'is no address'],
    ['an empty file', '', 'it is empty'],
    ['half a file', TEXT.slice(0, 60), 'it is no JSON'],
  ])('with %s is refused, without its key', (_, text, problem) => {
    const found = readHeartbeatFile(text);
    expect(found).toMatchObject({ problem: expect.stringContaining(problem) });
    expect(JSON.stringify(found)).not.toContain('abab');
  });

  it.each([TEXT, TEXT.slice(0, 80), `${KEY}\n`, TEXT.replace(/\s/g, '')])(
    'is shown without its key, whole or not (%#)',
    (text) => {
      expect(withoutKey(text)).not.toContain('abab');
      expect(withoutKey(text)).toContain('<secret>');
    },
  );
});
