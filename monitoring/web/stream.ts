/** States from `/events`, for as long as somebody wants them. EventSource cannot send a token, so it is read by fetch. */
import type { State } from '../state.js';
import { type Access, NeedsToken } from './access.js';
import { isState } from './answers.js';
import { eventReader } from './events.js';

export interface StreamListener {
  onState: (state: State) => void;
  /** Why nothing comes. It goes on trying. */
  onLost: (why: string) => void;
  /** Nothing comes before a token is given. */
  onRefused: () => void;
}

/** One comes each second. Without any the connection is dead, though nothing has said so. */
const SILENCE_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

/** @returns ends it. */
export function openStream(access: Access, listener: StreamListener): () => void {
  const end = new AbortController();
  const loop = async () => {
    let pauseMs = FIRST_PAUSE_MS;
    while (!end.signal.aborted) {
      try {
        await readStates(access, end.signal, (state) => {
          pauseMs = FIRST_PAUSE_MS;
          listener.onState(state);
        });
        if (!end.signal.aborted) listener.onLost('the server has ended it');
      } catch (error) {
        if (end.signal.aborted) return;
        if (error instanceof NeedsToken) {
          listener.onRefused();
          await access.given();
          continue;
        }
        listener.onLost(error instanceof Error ? error.message : String(error));
      }
      await pause(pauseMs, end.signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  };
  void loop();
  return () => end.abort();
}

async function readStates(access: Access, end: AbortSignal, onState: (state: State) => void) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(new Error('no news')), SILENCE_MS);
  const signal = AbortSignal.any([end, silence.signal]);
  try {
    const { body } = await access.request('events', { signal });
    const read = eventReader();
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error('no news')), SILENCE_MS);
      for (const { name, data } of read(value)) {
        const state: unknown = name === 'state' ? JSON.parse(data) : undefined;
        if (isState(state)) onState(state);
        else if (name === 'state') throw new Error('it speaks another version: load the page anew');
      }
    }
  } finally {
    clearTimeout(timer);
    // Nothing is left half read.
    silence.abort();
  }
}

/** Until the time is over, or the network is back. */
function pause(ms: number, end: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      end.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    end.addEventListener('abort', done);
  });
}
