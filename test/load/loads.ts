/** Puts load on the way that is set, and reads what the load's own program says about it. */
import { setTimeout as delay } from 'node:timers/promises';
import { type BenchLab, INTERNET, PORT } from './bench-lab.js';
import type { Load } from './cases.js';
import { program } from './contestants.js';

/** What came through in how long; latencies in microseconds where the load measures them. */
export interface Outcome {
  /** Bytes, requests, connections or round trips. */
  amount: number;
  seconds: number;
  p50?: number;
  p99?: number;
  longest?: number;
}

export type RunningLoad = Exclude<Load, { kind: 'hold' }>;

/** `rate` is messages a second for a load at half rate. */
export async function runLoad(
  bench: BenchLab,
  load: RunningLoad,
  seconds: number,
  rate: number,
): Promise<Outcome> {
  switch (load.kind) {
    case 'iperf':
      return readIperf(await bench.client(iperfArgv(load, seconds)));
    case 'requests':
      return readWrk(await bench.client(wrkArgv(load, seconds)));
    case 'connect':
      return readPeer(
        await bench.client(peer('connect', PORT.echo, PORT.echoes, seconds, load.connections)),
      );
    case 'beside':
      return besideBulk(bench, load, seconds);
    case 'ping':
      return readPeer(
        await bench.client(
          peer('ping', PORT.echo, seconds, load.connections, load.rate === 'half' ? rate : 0),
        ),
      );
  }
}

/** A second in which bulk gets going, and one in which the other is over for certain. */
const BULK_MARGIN_SECONDS = 2;
const EXCHANGES_PER_SECOND = 500;

async function besideBulk(
  bench: BenchLab,
  { each, flows, reverse }: Extract<Load, { kind: 'beside' }>,
  seconds: number,
): Promise<Outcome> {
  const bulk = bench.client(iperfArgv({ flows, reverse }, seconds + BULK_MARGIN_SECONDS));
  await delay(1000);
  const rate = EXCHANGES_PER_SECOND;
  const small =
    each === 'ping'
      ? peer('ping', PORT.echo, seconds, 1, rate)
      : peer('fresh', PORT.echo, PORT.echoes, seconds, rate);
  try {
    return readPeer(await bench.client(small));
  } finally {
    await bulk;
  }
}

/** Arguments of test/load/peer.c after its mode and address. */
export function peer(mode: string, ...rest: number[]): string[] {
  return [program('test/load/peer'), mode, INTERNET, ...rest.map(String)];
}

function iperfArgv(load: { flows: number; reverse: boolean }, seconds: number): string[] {
  const direction = load.reverse ? ['--reverse'] : [];
  const amount = ['--time', `${seconds}`, '--parallel', `${load.flows}`];
  return ['iperf3', '--client', INTERNET, '--json', ...amount, ...direction];
}

/** @throws with iperf3's own words. */
export function readIperf(output: string): Outcome {
  const { end, error } = JSON.parse(output) as {
    end: { sum_received?: { bytes: number; seconds: number } };
    error?: string;
  };
  if (!end.sum_received) throw new Error(`iperf3 says: ${error}`);
  return { amount: end.sum_received.bytes, seconds: end.sum_received.seconds };
}

interface Requests {
  bytes: number;
  connections: number;
  close?: true;
}

function wrkArgv(load: Requests, seconds: number): string[] {
  const url = `http://${INTERNET}:${PORT.web}/${load.bytes}`;
  const headers = load.close ? ['--header', 'Connection: close'] : [];
  const amount = ['-c', `${load.connections}`, '-d', `${seconds}s`];
  return ['wrk', '--threads', '1', ...amount, ...headers, url];
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 1e-3, s: 1, m: 60 };

/** @throws when a request failed: a figure with failures is none. */
export function readWrk(output: string): Outcome {
  const total = /(\d+) requests in ([\d.]+)(ms|s|m),/.exec(output);
  if (!total || /Socket errors|Non-2xx/.test(output)) throw new Error(`wrk says: ${output}`);
  const seconds = Number(total[2]) * UNIT_SECONDS[total[3]!]!;
  return { amount: Number(total[1]), seconds };
}

function readPeer(output: string): Outcome {
  const { count, failed, ...rest } = JSON.parse(output) as {
    count: number;
    failed?: number;
    seconds: number;
    p50?: number;
    p99?: number;
    longest?: number;
  };
  if (failed) throw new Error(`${failed} of ${failed + count} connections failed`);
  return { amount: count, ...rest };
}
