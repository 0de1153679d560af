import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clientArgv,
  divideStreams,
  type Iperf3Result,
  MOST_STREAMS,
  readIperf3,
  serverArgv,
  sumResults,
} from '../../../control/bench/iperf3.js';

/** What iperf3 of Debian 12 has printed. */
const golden = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`golden/iperf3-3.12-${name}.json`, import.meta.url)), 'utf8');

const read = (stdout: string, status = 0, stderr = '') => readIperf3({ status, stdout, stderr });

function resultOf(text: string): Iperf3Result {
  const outcome = read(text);
  if ('result' in outcome) return outcome.result;
  throw new Error(outcome.failure.said);
}

function failureOf(text: string, status = 0, stderr = '') {
  const outcome = read(text, status, stderr);
  if ('failure' in outcome) return outcome.failure;
  throw new Error('it is a result');
}

interface Sums {
  end: Record<string, { bytes: number; retransmits?: number; bits_per_second: number }>;
}

describe('what iperf3 3.12 prints', () => {
  it('is read: an upload, with retransmits and the kernel’s round-trip times', () => {
    const text = golden('upload');
    const { end } = JSON.parse(text) as Sums;
    const { version, streams, upload, download, rtt, congestion } = resultOf(text);
    expect({ version, streams, download }).toEqual({ version: '3.12', streams: 1 });
    expect(upload).toMatchObject({
      sentBytes: end.sum_sent!.bytes,
      receivedBytes: end.sum_received!.bytes,
      retransmits: end.sum_sent!.retransmits,
    });
    expect(upload!.bitsPerSecond).toBeCloseTo(end.sum_received!.bits_per_second, -6);
    expect(rtt).toEqual({ min: 29, mean: 29, max: 29 });
    expect(congestion).toEqual({ sender: 'bbr', receiver: 'bbr' });
  });

  it('is read: a download of two streams, as the sum of both', () => {
    const text = golden('download-2');
    const { end } = JSON.parse(text) as Sums;
    const { streams, upload, download, rtt } = resultOf(text);
    expect({ streams, upload, rtt }).toEqual({ streams: 2 });
    expect(download).toMatchObject({
      sentBytes: end.sum_sent!.bytes,
      receivedBytes: end.sum_received!.bytes,
      retransmits: end.sum_sent!.retransmits,
    });
    const ratio = download!.bitsPerSecond / end.sum_received!.bits_per_second;
    expect(ratio).toBeCloseTo(1, 4);
  });

  it('is read: both directions at once, each by itself', () => {
    const text = golden('both-2');
    const { end } = JSON.parse(text) as Sums;
    const { streams, upload, download } = resultOf(text);
    expect(streams).toBe(4);
    expect(upload!.receivedBytes).toBe(end.sum_received!.bytes);
    expect(download!.receivedBytes).toBe(end.sum_received_bidir_reverse!.bytes);
  });
});

describe('other shapes', () => {
  const upload = golden('upload');

  it('3.18 adds keys, and a direction in words; nothing of it is needed', () => {
    const other = JSON.parse(upload);
    other.start.version = 'iperf 3.18';
    other.start.test_start = { ...other.start.test_start, bidir: 0, fqrate: 0, interval: 1 };
    other.start.timestamp.timemillisecs = 1;
    for (const { sender } of other.end.streams) sender.reorder = 0;
    const { version, ...rest } = resultOf(JSON.stringify(other));
    expect(version).toBe('3.18');
    expect(rest).toEqual({ ...resultOf(upload), version: undefined });
  });

  it('sums with the same key twice (3.7 to 3.10, both directions) do not count', () => {
    const text = golden('both-2');
    const twice = text
      .replace('"sum_sent_bidir_reverse"', '"sum_sent"')
      .replace('"sum_received_bidir_reverse"', '"sum_received"');
    expect(twice.match(/"sum_sent"/g)).toHaveLength(2);
    expect(resultOf(twice)).toEqual(resultOf(text));
  });

  it('old versions do not say who sends; then the test’s direction does', () => {
    const other = JSON.parse(golden('download-2'));
    for (const { sender, receiver } of other.end.streams) {
      delete sender.sender;
      delete receiver.sender;
    }
    expect(resultOf(JSON.stringify(other))).toEqual(resultOf(golden('download-2')));
  });

  it('the same document twice, and a warning before it', () => {
    const noisy = `warning: {"UDP"} block size\n${upload}\n${upload}`;
    expect(resultOf(noisy)).toEqual(resultOf(upload));
  });

  it('a brace in a string is no brace', () => {
    const other = JSON.parse(upload);
    other.extra_data = 'a "}" and a \\';
    expect(resultOf(JSON.stringify(other))).toEqual(resultOf(upload));
  });
});

describe('what has gone wrong', () => {
  it.each([
    ['busy', 'busy', true],
    ['refused', 'refused', false],
    ['port-taken', 'port-taken', false],
    ['interrupted', 'interrupted', false],
    ['server-died', 'closed', true],
  ])('%s is known, whatever the exit status', (name, code, again) => {
    expect(failureOf(golden(name), 0)).toMatchObject({ code, again });
    expect(failureOf(golden(name), 1)).toMatchObject({ code, again });
  });

  it.each([
    ['control socket has closed unexpectedly', 'closed'],
    ['unable to connect to server: Connection timed out', 'timeout'],
    [
      'unable to connect to server - server may have stopped running: Operation now in progress',
      'timeout',
    ],
    ['unable to connect to server: No route to host', 'unreachable'],
    ['unable to connect to server: Name or service not known', 'unresolved'],
    ['JSON data length overflow', 'cut-off'],
    ['unable to receive results', 'closed'],
    ['something new', 'other'],
  ])('"%s" is %s', (error, code) => {
    const text = JSON.stringify({
      start: { version: 'iperf 3.18' },
      intervals: [],
      end: {},
      error,
    });
    expect(failureOf(text)).toMatchObject({ code, said: error });
  });

  it('no such program is told by what the shell says', () => {
    expect(failureOf('', 127, 'sh: 1: iperf3: not found')).toMatchObject({ code: 'missing' });
  });

  it('no text, or text of anything else, is no result', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 255 }), (text, status) => {
        expect(read(text, status)).toHaveProperty('failure');
      }),
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(read(text)).toHaveProperty('failure');
      }),
    );
  });

  it('half of a document is none, wherever it is cut', () => {
    const text = golden('download-2').trimEnd();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: text.length - 1 }), (length) => {
        expect(failureOf(text.slice(0, length))).toMatchObject({ code: 'cut-off', again: false });
      }),
    );
  });
});

describe('processes', () => {
  it('share streams evenly, none has more than its results can hold', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (streams) => {
        const parts = divideStreams(streams);
        expect(parts.reduce((a, b) => a + b)).toBe(streams);
        expect(Math.max(...parts)).toBeLessThanOrEqual(MOST_STREAMS);
        expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('are summed as if they were one', () => {
    const one = resultOf(golden('upload'));
    const both = sumResults([one, one, resultOf(golden('download-2'))]);
    expect(both.upload!.receivedBytes).toBe(2 * one.upload!.receivedBytes);
    expect(both.upload!.bitsPerSecond).toBe(2 * one.upload!.bitsPerSecond);
    expect(both).toMatchObject({ streams: 4, rtt: one.rtt });
    expect(both.download).toEqual(resultOf(golden('download-2')).download);
    expect(sumResults([one])).toEqual(one);
    expect(() => sumResults([])).toThrow(RangeError);
  });

  it('get what was asked for', () => {
    const way = { address: 'fd00::1', port: 5201, seconds: 3 };
    expect(clientArgv({ ...way, direction: 'download', streams: 8, family: 6 }).join(' ')).toBe(
      'iperf3 --client fd00::1 --port 5201 --json --time 3 --parallel 8 --connect-timeout 5000 --reverse -6',
    );
    expect(clientArgv({ ...way, direction: 'both', rate: 1e6 })).toEqual(
      expect.arrayContaining(['--bidir', '--bitrate', '1000000']),
    );
    expect(serverArgv(5202, { oneOff: true })).toContain('--one-off');
  });
});
