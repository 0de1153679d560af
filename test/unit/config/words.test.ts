import { describe, expect, it } from 'vitest';
import { parseHostAddress } from '../../../control/config/host-address.js';
import { nearest, suggestion } from '../../../control/config/suggest.js';
import { readToken } from '../../../control/config/token.js';

describe('host addresses', () => {
  it.each([
    ['local', { kind: 'local' }],
    ['netns://lab-router.1', { kind: 'netns', name: 'lab-router.1' }],
    ['ssh://root@192.168.1.1', { kind: 'ssh', user: 'root', host: '192.168.1.1' }],
    ['ssh://me@router.lan:2222/', { kind: 'ssh', user: 'me', host: 'router.lan', port: 2222 }],
    ['ssh://me@[fd00::1]:22', { kind: 'ssh', user: 'me', host: 'fd00::1', port: 22 }],
  ])('read %s', (text, address) => {
    expect(parseHostAddress(text)).toEqual(address);
  });

  it.each([
    '',
    'Local',
    'netns://',
    'netns://..',
    'netns://-x',
    'netns://a/b',
    'ssh://',
    'ssh://root@',
    'ssh://root@-oProxyCommand=x',
    'ssh://-l@host',
    'ssh://root@host:0',
    'ssh://root@host:65536',
    'ssh://root@host;reboot',
    'ssh://root@host/path',
    'http://root@host',
  ])('refuse "%s"', (text) => {
    expect(parseHostAddress(text)).toHaveProperty('message');
  });

  it('say what an ssh address lacks or has too much', () => {
    expect(parseHostAddress('ssh://router')).toMatchObject({ hint: 'write ssh://root@router' });
    expect(parseHostAddress('192.168.1.1')).toMatchObject({ hint: 'write ssh://root@192.168.1.1' });
    expect(parseHostAddress('me@router')).toMatchObject({ hint: 'write ssh://me@router' });
    expect(parseHostAddress('ssh://root@fd00::1')).toMatchObject({
      hint: 'write an IPv6 address in brackets: ssh://root@[fd00::1]',
    });
    expect(JSON.stringify(parseHostAddress('a:secret@c'))).not.toContain('secret');
    expect(parseHostAddress('ssh://a:b@c')).toMatchObject({
      message: expect.stringMatching('password'),
    });
  });
});

describe('the words of a rule', () => {
  it.each([
    ['02:00:00:00:00:4A', { kind: 'mac', mac: '02:00:00:00:00:4a' }],
    ['aa-bb-cc-dd-ee-ff', { kind: 'mac', mac: 'aa:bb:cc:dd:ee:ff' }],
    ['china', { kind: 'set', name: 'china' }],
    ['a-b.c_1', { kind: 'set', name: 'a-b.c_1' }],
    ['fd00', { kind: 'set', name: 'fd00' }],
    ['::', { kind: 'entry', entry: { family: 6, first: 0n, last: 0n } }],
    ['1.2.3.4', { kind: 'entry', entry: { family: 4, first: 0x01020304, last: 0x01020304 } }],
  ])('tell what %s is', (text, token) => {
    expect(readToken(text)).toEqual(token);
  });

  it.each(['', '1', '-', '_x', 'a b', '01:00:5e:00:00:01', '02:00:00:00:00', '::ffff:1.2.3.4'])(
    'refuse "%s"',
    (text) => {
      expect(readToken(text).kind).toBe('wrong');
    },
  );
});

describe('suggestions', () => {
  it.each([
    ['adress', 'address'],
    ['addresss', 'address'],
    // A swap of neighbours is one edit: as two it would be too far for so short a word.
    ['porxy', 'proxy'],
    ['hots', 'host'],
    ['handshake_tiemout_second', 'handshake_timeout_seconds'],
    ['xyz', undefined],
    ['pxory', undefined],
    ['', undefined],
  ])('"%s" is taken for %s', (written, word) => {
    expect(
      nearest(written, ['port', 'host', 'proxy', 'address', 'handshake_timeout_seconds']),
    ).toBe(word);
  });

  it('take the nearest word, whatever its case and dashes', () => {
    expect(nearest('rule-priority', ['rules', 'rule_priority'])).toBe('rule_priority');
    expect(nearest('HOST', ['port', 'host'])).toBe('host');
    expect(nearest('colour', ['host', 'port'])).toBeUndefined();
    expect(nearest('x'.repeat(65), ['x'.repeat(64)])).toBeUndefined();
  });

  it('list what is known when nothing is near', () => {
    expect(suggestion('colour', ['host', 'port'])).toBe('known here: host, port');
    expect(suggestion('colour', [])).toBeUndefined();
  });
});
