/** Lists from a server that behaves, and from one that does not: the last good copy stands. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { copyIn, type ListConfig } from '../../../control/config/list-config.js';
import { readRecord } from '../../../control/lists/record.js';
import { type RefreshOptions, refreshList } from '../../../control/lists/refresh.js';
import { tidy } from '../../../control/lists/store.js';
import { folderOf } from '../config/temporary.js';
import { listAt, serve, serveSecurely } from './list-server.js';

const LIST = '192.0.2.0/25\n192.0.2.128/25\n198.51.100.0/24\n203.0.113.0/24\n2001:db8::/32\n';
const KEPT = '192.0.2.0/24\n198.51.100.0/24\n203.0.113.0/24\n2001:db8::/32\n';

const force = (list: ListConfig, options: RefreshOptions = {}) =>
  refreshList(list, { force: true, ...options });

/** A list that was fetched once, and a server that answers otherwise from now on. */
async function fetchedBefore(
  answer: (request: IncomingMessage, response: ServerResponse, base: string) => void,
  keys: Record<string, unknown> = {},
) {
  let isFirst = true;
  const base: string = await serve((request, response) => {
    if (isFirst) response.end(LIST);
    else answer(request, response, base);
  });
  const list = await listAt(`${base}/list.txt`, keys);
  expect(await force(list)).toMatchObject({ kind: 'changed' });
  isFirst = false;
  return list;
}

async function assertStands(list: ListConfig) {
  expect(await readFile(copyIn(list), 'utf8')).toBe(KEPT);
  expect((await readdir(list.directory)).toSorted()).toEqual([
    `${list.key}.json`,
    `${list.key}.list`,
  ]);
}

describe('a list', () => {
  it('is kept as CIDRs, with what is known of it', async () => {
    const url = await serve((_, response) => {
      response.setHeader('etag', '"1"');
      response.end(LIST);
    });
    const list = await listAt(`${url}/list.txt`);
    const refreshed = await refreshList(list, { now: () => 1000 });
    expect(refreshed).toMatchObject({
      kind: 'changed',
      record: { checked: 1000, fetched: 1000, etag: '"1"', entries: { v4: 3, v6: 1 }, failures: 0 },
    });
    await assertStands(list);
    expect(await readRecord(list)).toEqual('record' in refreshed ? refreshed.record : undefined);
  });

  it('costs nothing until it is due, and no body while it has not changed', async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      asked.push(request.headers['if-none-match']);
      response.setHeader('etag', '"1"');
      if (request.headers['if-none-match'] === '"1"') response.statusCode = 304;
      response.end(response.statusCode === 304 ? undefined : LIST);
    });
    const list = await listAt(url, { refresh: '1h' });
    const at = (now: number) => refreshList(list, { now: () => now });
    expect(await at(10_000)).toMatchObject({ kind: 'changed' });
    expect(await at(13_599)).toEqual({ kind: 'skipped', next: 13_600 });
    expect(await at(13_600)).toMatchObject({
      kind: 'unchanged',
      record: { checked: 13_600, fetched: 10_000 },
    });
    expect(asked).toEqual([undefined, '"1"']);
    await assertStands(list);
  });

  it('is fetched as a whole where its copy is gone', async () => {
    const list = await fetchedBefore(({ headers }, response) =>
      headers['if-none-match'] === undefined ? response.end(LIST) : response.writeHead(304).end(),
    );
    await rm(copyIn(list));
    expect(await force(list)).toMatchObject({ kind: 'changed' });
    await assertStands(list);
  });

  it('that the server cannot tell to be unchanged is no change either', async () => {
    const list = await fetchedBefore((_, response) => response.end(LIST));
    expect(await force(list)).toMatchObject({ kind: 'unchanged' });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['in its transfer', (response) => response.setHeader('content-encoding', 'gzip')],
    ['as a file', () => {}],
  ])('may be packed %s', async (_name, prepare) => {
    const url = await serve((_, response) => {
      prepare(response);
      response.end(gzipSync(LIST));
    });
    const list = await listAt(url);
    expect(await force(list)).toMatchObject({ kind: 'changed' });
    await assertStands(list);
  });

  it('takes host bits for a network, with a warning: its readers cannot mend it', async () => {
    const url = await serve((_, response) => response.end('192.0.2.1/24\n'));
    const refreshed = await force(await listAt(url));
    expect(refreshed).toMatchObject({ kind: 'changed', record: { entries: { v4: 1, v6: 0 } } });
    expect('warnings' in refreshed && refreshed.warnings[0]?.message).toContain(
      'taken as a network',
    );
  });
});

/** A byte of what is packed is another. */
const DAMAGED = gzipSync(LIST.repeat(100)).map((byte, i) => (i === 20 ? byte ^ 0xff : byte));
const MIB = Buffer.alloc(1024 * 1024, '#');

/** As long as somebody listens. */
function endless(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write(MIB));
  };
  response.on('drain', more);
  more();
}

describe('the last good copy stands when the server', () => {
  it.each<
    [
      string,
      string,
      string,
      (request: IncomingMessage, response: ServerResponse, base: string) => void,
      Record<string, unknown>?,
    ]
  >([
    ['never answers', 'timeout', 'was not there within 1 s', () => {}, { timeout_seconds: 1 }],
    [
      'drips',
      'timeout',
      'was not there within 1 s',
      (_, response) => {
        const drop = setInterval(() => response.write('#'), 50);
        response.on('close', () => clearInterval(drop));
      },
      { timeout_seconds: 1 },
    ],
    [
      'answers 200 with an error page',
      'malformed',
      'what a web server said',
      (_, response) =>
        response.setHeader('content-type', 'text/html').end('<!DOCTYPE html><p>203.0.113.9</p>'),
    ],
    ['answers 500', 'http_status', 'answers 500', (_, response) => response.writeHead(500).end()],
    ['answers 403', 'http_status', 'answers 403', (_, response) => response.writeHead(403).end()],
    [
      'answers 304 though it was not asked',
      'http_status',
      'answers 304',
      (_, response) => response.writeHead(304).end(),
    ],
    [
      'redirects to another host',
      'redirect',
      'to another host, example.com',
      (_, response) => response.writeHead(302, { location: 'https://example.com/x' }).end(),
    ],
    [
      'redirects into a private network by name',
      'redirect',
      'which is in a private network',
      (_, response, base) =>
        response.writeHead(302, { location: base.replace('127.0.0.1', 'localhost') }).end(),
      { redirects: 'any' },
    ],
    [
      'redirects into a private network by address',
      'redirect',
      'which is in a private network',
      (_, response) => response.writeHead(302, { location: 'http://[::ffff:10.0.0.1]/' }).end(),
      { redirects: 'any' },
    ],
    [
      'redirects to a file',
      'redirect',
      'by file:',
      (_, response) => response.writeHead(302, { location: 'file:///etc/shadow' }).end(),
      { redirects: 'any' },
    ],
    [
      'redirects in circles',
      'redirect',
      'more than 5 times',
      (_, response) => response.writeHead(302, { location: '/list.txt' }).end(),
    ],
    [
      'announces 1 GB',
      'too_large',
      'longer than 1 MiB',
      (_, response) => response.writeHead(200, { 'content-length': 2 ** 30 }).write('#'),
      { max_size_mib: 1 },
    ],
    [
      'sends without end',
      'too_large',
      'longer than 1 MiB',
      (_, response) => endless(response),
      { max_size_mib: 1 },
    ],
    [
      'sends a bomb',
      'too_large',
      'longer than 1 MiB',
      (_, response) =>
        response
          .writeHead(200, { 'content-encoding': 'gzip' })
          .end(gzipSync(Buffer.alloc(2 ** 25))),
      { max_size_mib: 1 },
    ],
    [
      'sends a packed bomb',
      'too_large',
      'longer than 1 MiB when it is unpacked',
      (_, response) => response.end(gzipSync(Buffer.alloc(2 ** 25))),
      { max_size_mib: 1 },
    ],
    ['hangs up', 'unreachable', 'connection reset', (request) => request.socket.resetAndDestroy()],
    [
      'cuts the list off',
      'unreachable',
      'the answer is cut off',
      (request, response) => {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('192.0.2.0/24\n', () => request.socket.destroy());
      },
    ],
    [
      'damages what it packs',
      'unreachable',
      'what it has packed is damaged',
      (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(DAMAGED),
    ],
    [
      'empties the list',
      'empty',
      'the list is empty',
      (_, response) => response.end('# nothing\n'),
    ],
    [
      'shrinks the list',
      'shrunken',
      'the list has 1 IPv4 entries, and had 3: fewer than 50 per cent are refused',
      (_, response) => response.end('192.0.2.0/24\n2001:db8::/32\n'),
    ],
    [
      'loses one family',
      'shrunken',
      'the list has 0 IPv6 entries, and had 1',
      (_, response) => response.end('192.0.2.0/24\n198.51.100.0/24\n203.0.113.0/24\n10.0.0.0/8\n'),
    ],
    [
      'sends another list than its checksum is of',
      'checksum',
      'has the SHA-256',
      (_, response) => response.end(`${LIST}10.0.0.0/8\n`),
      { sha256: createHash('sha256').update(LIST).digest('hex') },
    ],
  ])('%s', async (_name, reason, message, answer, keys = {}) => {
    const list = await fetchedBefore(answer, keys);
    const refreshed = await force(list);
    expect(refreshed).toMatchObject({ kind: 'failed', error: { reason } });
    expect('error' in refreshed && refreshed.error.message).toContain(message);
    expect(await readRecord(list)).toMatchObject({
      failures: 1,
      failuresInARow: 1,
      error: { reason },
    });
    await assertStands(list);
  });

  it('is gone', async () => {
    const list = await listAt('http://127.0.0.1:9/list.txt');
    expect(await force(list)).toMatchObject({
      kind: 'failed',
      error: { message: 'cannot fetch http://127.0.0.1:9/list.txt: connection refused' },
    });
  });
});

describe('a list that failed', () => {
  it('is tried again soon, ever later, and never later than it is due', async () => {
    const list = await fetchedBefore((_, response) => response.writeHead(500).end(), {
      refresh: '2h',
    });
    const next = async (now: number) => {
      await force(list, { now: () => now });
      const skipped = await refreshList(list, { now: () => now });
      return 'next' in skipped ? skipped.next - now : undefined;
    };
    expect([await next(1e6), await next(1e6), await next(1e6)]).toEqual([300, 600, 1200]);
    for (let i = 0; i < 20; i++) await next(1e6);
    expect(await next(1e6)).toBe(3600);
  });

  it('is told as good again after a success', async () => {
    let good = true;
    const url = await serve((_, response) =>
      good ? response.end(LIST) : response.writeHead(500).end(),
    );
    const list = await listAt(url);
    await force(list);
    good = false;
    await force(list);
    good = true;
    await force(list);
    const record = await readRecord(list);
    expect(record).toMatchObject({ failures: 1, failuresInARow: 0 });
    expect(record).not.toHaveProperty('error');
  });

  it('since it has shrunk is taken when its owner says so', async () => {
    const list = await fetchedBefore((_, response) => response.end('192.0.2.0/24\n'));
    expect(await force(list)).toMatchObject({ kind: 'failed', error: { reason: 'shrunken' } });
    expect(await force(list, { acceptShrunken: true })).toMatchObject({
      kind: 'changed',
      before: { v4: 3, v6: 1 },
      record: { entries: { v4: 1, v6: 0 } },
    });
  });

  it('of a directory that cannot be written says so', async () => {
    const url = await serve((_, response) => response.end(LIST));
    const folder = await folderOf({ file: '' });
    const list = await listAt(url, {}, join(folder, 'file'));
    expect(await force(list)).toMatchObject({
      kind: 'failed',
      error: { reason: 'disk', hint: expect.stringContaining('lists: { directory') },
    });
  });
});

describe('a server that is known by its certificate', () => {
  it('is believed with ca_file alone, and may not send us on without encryption', async () => {
    const folder = await folderOf({});
    let location: string | undefined;
    const url = await serveSecurely(folder, (_, response) =>
      location === undefined ? response.end(LIST) : response.writeHead(301, { location }).end(),
    );
    expect(await force(await listAt(url))).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringContaining('its certificate is not trusted') },
    });
    const list = await listAt(url, { ca_file: 'ca.pem' }, folder);
    expect(await force(list)).toMatchObject({ kind: 'changed' });
    location = url.replace('https', 'http');
    expect(await force(list)).toMatchObject({
      kind: 'failed',
      error: { reason: 'redirect', message: expect.stringContaining('without encryption') },
    });
  });
});

describe('a checksum that is published', () => {
  it.each([
    ['alone', (sum: string) => `${sum}\n`],
    ['among others', (sum: string) => `${'0'.repeat(64)}  other.txt\n${sum} *list.txt\n`],
    ['as BSD writes it', (sum: string) => `SHA256 (list.txt) = ${sum}\n`],
  ])('%s', async (_name, published) => {
    let list = LIST;
    const sums = published(createHash('sha256').update(LIST).digest('hex'));
    const url = await serve(({ url: path }, response) =>
      response.end(path === '/sums' ? sums : list),
    );
    const config = await listAt(`${url}/list.txt`, { sha256_url: `${url}/sums` });
    expect(await force(config)).toMatchObject({ kind: 'changed' });
    list = `${LIST}10.0.0.0/8\n`;
    expect(await force(config)).toMatchObject({ kind: 'failed', error: { reason: 'checksum' } });
  });

  it('is asked of a copy that was taken before there was one to ask for', async () => {
    const folder = await folderOf({});
    const url = await serve(({ headers }, response) => {
      if (headers['if-none-match'] === '"1"') response.statusCode = 304;
      response.setHeader('etag', '"1"');
      response.end(response.statusCode === 304 ? '' : LIST);
    });
    expect(await force(await listAt(url, {}, folder))).toMatchObject({ kind: 'changed' });
    const wrong = { sha256: '0'.repeat(64) };
    expect(await force(await listAt(url, wrong, folder))).toMatchObject({
      kind: 'failed',
      error: { reason: 'checksum' },
    });
  });
});

/** As minisign writes them: `isHashed` is what it does by default, the other is signify's way. */
function signer(isHashed: boolean) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const number = Buffer.from('0123456789abcdef', 'hex');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const key = Buffer.concat([Buffer.from('Ed'), number, raw]).toString('base64');
  const signatureOf = (message: Buffer, comment: string | undefined) => {
    const content = isHashed ? createHash('blake2b512').update(message).digest() : message;
    const signature = sign(null, content, privateKey);
    const head = Buffer.concat([Buffer.from(isHashed ? 'ED' : 'Ed'), number, signature]);
    const first = `untrusted comment: x\n${head.toString('base64')}\n`;
    if (comment === undefined) return first;
    const global = sign(null, Buffer.concat([signature, Buffer.from(comment)]), privateKey);
    return `${first}trusted comment: ${comment}\n${global.toString('base64')}\n`;
  };
  return { key, signatureOf };
}

describe('a signature', () => {
  it.each([
    ['of minisign', true, 'timestamp:1700000000'],
    ['of signify', false, undefined],
  ])('%s is believed, another is not', async (_name, isHashed, comment) => {
    const [ours, theirs] = [signer(isHashed), signer(isHashed)];
    let signature = ours.signatureOf(Buffer.from(LIST), comment);
    const url = await serve(({ url: path }, response) =>
      response.end(path === '/list.txt.minisig?token=x' ? signature : LIST),
    );
    const list = await listAt(`${url}/list.txt?token=x`, { signature: { key: ours.key } });
    expect(await force(list)).toMatchObject({ kind: 'changed' });
    const refused = async (text: string) => {
      signature = text;
      const refreshed = await force(list);
      return 'error' in refreshed ? refreshed.error.message : refreshed.kind;
    };
    const bad = 'the signature of the list is not good:';
    expect(await refused(ours.signatureOf(Buffer.from('other'), comment))).toBe(
      `${bad} it does not fit the list`,
    );
    expect(await refused(theirs.signatureOf(Buffer.from(LIST), comment))).toBe(
      `${bad} it does not fit the list`,
    );
    expect(await refused('<html>')).toBe(`${bad} it is no signature of minisign or signify`);
    if (comment !== undefined)
      expect(
        await refused(ours.signatureOf(Buffer.from(LIST), comment).replace('1700', '1800')),
      ).toBe(`${bad} its trusted comment was changed`);
  });

  it('that the program minisign made is believed', async () => {
    // minisign -G -W; minisign -S; the key was thrown away.
    const key = MINISIGN.key;
    const url = await serve(({ url: path }, response) =>
      response.end(path?.endsWith('.minisig') ? MINISIGN.signature : MINISIGN.list),
    );
    const list = await listAt(`${url}/list.txt`, { signature: { key } });
    expect(await force(list)).toMatchObject({ kind: 'changed', record: { entries: { v4: 1 } } });
  });
});

const MINISIGN = {
  list: '192.0.2.0/24\n',
  key: 'RWTVlKLG/Qeaxurie0qJpmPTx03y2bPOv4XbniMRCMcbr+JOvWNGuKX4',
  signature: `untrusted comment: signature from minisign secret key
RUTVlKLG/QeaxhzBcwrya04OrOsS4hO5lOacIXPu/OVSgRPei5guU6XnQZyXGh8SQDyoeEKM+/r9wsyVugvRh8F8xU9mSrjBZwg=
trusted comment: timestamp:1700000000
AxOL/huummb6KO8EF7J2rQXILTd9AqOcqpSYOgBfqwhCgpBmFeyCUnJTU9q9SjB9Oy3d+EQAoAgJTeWE6TEWDQ==
`,
};

describe('a secret in the URL', () => {
  it('is sent to its host, and never told', async () => {
    let authorization: string | undefined;
    const base = await serve((request, response) => {
      authorization = request.headers.authorization;
      response.writeHead(500).end();
    });
    const list = await listAt(`${base.replace('//', '//user:hunter2@')}/list?token=hunter3`);
    const refreshed = await force(list);
    expect(authorization).toBe(`Basic ${Buffer.from('user:hunter2').toString('base64')}`);
    const kept = await readFile(join(list.directory, `${list.key}.json`), 'utf8');
    const told = 'error' in refreshed ? `${refreshed.error.message} ${refreshed.error.stack}` : '';
    expect(told).toContain(`${base}/list?… answers 500`);
    expect(`${told}${kept}${list.key}${list.shownUrl}`).not.toMatch(/hunter/);
  });
});

describe('a user and password in the URL', () => {
  /** What a server is told where the one of the configuration sends us on. */
  async function toldWhenSentOn(sendOn: (own: string, other: string) => string) {
    const told: (string | undefined)[] = [];
    const answer: RequestListener = ({ headers }, response) => {
      told.push(headers.authorization);
      response.end(LIST);
    };
    const other = await serve(answer);
    const own: string = await serve((request, response) => {
      if (request.url === '/list.txt')
        response.writeHead(302, { location: sendOn(own, other) }).end();
      else answer(request, response);
    });
    const list = await listAt(`${own.replace('//', '//user:hunter2@')}/list.txt`);
    expect(await force(list)).toMatchObject({ kind: 'changed' });
    return told;
  }

  it('follow to another place of the same origin', async () => {
    const login = `Basic ${Buffer.from('user:hunter2').toString('base64')}`;
    expect(await toldWhenSentOn((own) => `${own}/moved.txt`)).toEqual([login]);
    expect(await toldWhenSentOn(() => '/moved.txt')).toEqual([login]);
  });

  it('do not follow to another port of the host, nor do those that the redirect brings', async () => {
    expect(await toldWhenSentOn((_, other) => `${other}/list.txt`)).toEqual([undefined]);
    expect(await toldWhenSentOn((_, other) => `${other.replace('//', '//a:b@')}/list.txt`)).toEqual(
      [undefined],
    );
  });

  it('do not follow to https, which is another server', async () => {
    const folder = await folderOf({});
    const told: (string | undefined)[] = [];
    const secure = await serveSecurely(folder, ({ headers }, response) => {
      told.push(headers.authorization);
      response.end(LIST);
    });
    const base = await serve((_, response) =>
      response.writeHead(301, { location: `${secure}/list.txt` }).end(),
    );
    const url = base.replace('//127.0.0.1', '//user:hunter2@localhost');
    const list = await listAt(`${url}/list.txt`, { ca_file: 'ca.pem' }, folder);
    expect(await force(list)).toMatchObject({ kind: 'changed' });
    expect(told).toEqual([undefined]);
  });
});

describe('the directory', () => {
  it('loses what nothing has asked for in three months, and what was left half written', async () => {
    const folder = await folderOf({
      'cn-000000000000.list': '',
      'old-000000000000.list': '',
      '.1-abc.new': '',
      README: '',
      'office.list': '',
      'keepme.json': '',
    });
    const old = Date.now() / 1000 - 91 * 86_400;
    for (const name of await readdir(folder)) await utimes(join(folder, name), old, old);
    await writeFile(join(folder, 'new-000000000000.list'), '');
    await tidy(folder, new Set(['cn-000000000000']));
    expect((await readdir(folder)).toSorted()).toEqual([
      'README',
      'cn-000000000000.list',
      'keepme.json',
      'new-000000000000.list',
      'office.list',
    ]);
  });
});
