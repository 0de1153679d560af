/** Where pages are and who may read them: `relay.metrics`. */
import { describe, expect, it } from 'vitest';
import { errorsOf, load, MINIMAL } from './temporary.js';

const withMetrics = (metrics: string) => `${MINIMAL}relay:\n  metrics: ${metrics}\n`;

describe('a mistake in the section of pages', () => {
  it.each([
    ['{ port: none }', '9:20: without a port there is nowhere to ask; add "socket"'],
    [
      '{ port: 0 }',
      '9:20: relay.metrics.port must be "none" or a whole number from 1 to 65535, not the number 0',
    ],
    ['{ socket: run/x }', '9:22: "run/x" is no absolute path'],
    [`{ socket: /${'x'.repeat(107)} }`, '9:22: the path of a socket has at most 107 bytes'],
    [
      '{ auth: {} }',
      '9:20: auth is empty; add "bearer_token_file", or "username" and "password_file"',
    ],
    ['{ auth: { username: me } }', '9:32: a user without a password; add "password_file"'],
    ['{ auth: { password_file: p } }', '9:37: a password without a user; add "username"'],
    [
      '{ auth: { username: "a:b", password_file: p } }',
      '9:32: Basic authentication has no room for ":" or control characters in a user name',
    ],
    ['{ tls: { certificate_file: c } }', '9:19: relay.metrics.tls lacks the key "key_file"'],
  ])('%s', async (metrics, message) => {
    expect(await errorsOf(withMetrics(metrics))).toEqual([`sidetrack.yaml:${message}`]);
  });
});

describe('pages for others', () => {
  const warningsOf = async (metrics: string) =>
    (await load(withMetrics(metrics))).warnings.map(({ message }) => message);

  it('are worth a warning while anybody may ask', async () => {
    const open = 'are open to all who can reach that address';
    expect(await warningsOf('{ address: 192.168.1.2 }')).toEqual([
      `the pages on 192.168.1.2:9150 ${open}`,
    ]);
    expect(await warningsOf('{ address: "::" }')).toEqual([`the pages on :::9150 ${open}`]);
    for (const own of ['{}', '{ address: 127.0.0.9 }', '{ address: "0::1" }'])
      expect(await warningsOf(own)).toEqual([]);
    expect(await warningsOf('{ address: 0.0.0.0, port: none, socket: /run/x }')).toEqual([]);
  });

  it('are worth another one while the token can be read on its way', async () => {
    const auth = 'auth: { bearer_token_file: t }';
    expect(await warningsOf(`{ address: 192.168.1.2, ${auth} }`)).toEqual([
      'the token or password for 192.168.1.2:9150 crosses the network in clear text',
    ]);
    const tls = 'tls: { certificate_file: c, key_file: k }';
    expect(await warningsOf(`{ address: 192.168.1.2, ${auth}, ${tls} }`)).toEqual([]);
  });
});
