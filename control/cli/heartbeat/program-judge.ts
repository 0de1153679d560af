/** Whether a program that is not ours is fit: its port accepts, and the configured check succeeds. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { CheckConfig, ServerConfig } from '../../config/config.js';
import type { Destination } from '../../config/destination.js';
import { type FitFamily, programFitness } from '../../heartbeat/fitness.js';
import { runProcess } from '../../hosts/process.js';
import { familiesOf } from '../relay/fitness.js';
import type { Judge } from './beats.js';

const PORT_EVERY_MS = 500;
const PORT_TIMEOUT_MS = 1000;
/** Of what a command prints, which nobody reads. */
const LONGEST_OUTPUT = 1 << 20;
/** Above, a page is an error of the server's. */
const HTTP_ERROR = 500;

export interface ProgramJudge extends Judge {
  end(): void;
}

/** Asks again and again, whether anybody wants to know or not. */
export function programJudge(server: ServerConfig): ProgramJudge {
  const { address, port, check } = server;
  const families = familiesOf(server);
  const ending = new AbortController();
  let accepting: readonly FitFamily[] | undefined;
  let checked: boolean | undefined;
  const again = async (everyMs: number, look: () => Promise<void>) => {
    while (!ending.signal.aborted) {
      await look();
      await delay(everyMs, undefined, { signal: ending.signal, ref: false }).catch(() => {});
    }
  };
  void again(PORT_EVERY_MS, async () => {
    const found = await Promise.all(
      families.map((family) =>
        accepts({ address: address[family === 'ipv4' ? 'v4' : 'v6']!, port }, PORT_TIMEOUT_MS),
      ),
    );
    accepting = families.filter((_, i) => found[i]);
  });
  if (check !== undefined)
    void again(1000 * check.intervalSeconds, async () => {
      checked = await succeeds(check);
    });
  return {
    judge: () =>
      accepting === undefined || (check !== undefined && checked === undefined)
        ? undefined
        : programFitness({ families, accepting, check: checked }),
    rest: () => {},
    end: () => ending.abort(),
  };
}

/** @returns whether a TCP connection there comes about in time. */
export function accepts({ address, port }: Destination, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (answer: boolean) => {
      clearTimeout(timer);
      // Neither end waits for the other.
      socket.resetAndDestroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

async function succeeds({ tcp, url, command, timeoutSeconds }: CheckConfig): Promise<boolean> {
  const timeoutMs = 1000 * timeoutSeconds;
  if (tcp !== undefined) return accepts(tcp, timeoutMs);
  if (url !== undefined) return answers(url, timeoutMs);
  if (command === undefined) return true;
  const limits = { timeoutMs, longest: LONGEST_OUTPUT, wholeGroup: true };
  // Too slow, or too much of it.
  const ended = await runProcess(['sh', '-c', command], limits).catch(() => undefined);
  return ended?.status === 0;
}

/** A GET whose status is below 500; the page is not read. */
function answers(
  { address, port, path = '/' }: Destination & { path?: string },
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: address, port, path, agent: false });
    const end = (answer: boolean) => {
      clearTimeout(timer);
      asked.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    asked.on('response', ({ statusCode = HTTP_ERROR }) => end(statusCode < HTTP_ERROR));
    asked.on('error', () => end(false));
    asked.end();
  });
}
