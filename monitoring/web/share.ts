/**
 * One stream for all tabs: a browser opens six connections to a host, so the seventh tab with a stream of its
 * own would hang. The tab that has the stream tells the others over a BroadcastChannel. Who has it is agreed on there,
 * too: locks of the browser exist in secure contexts only, and a page by HTTP from an address of the LAN is none.
 */
import type { State } from '../state.js';

/** What tabs say to each other; `from` is a tab's random name. */
export type TabMessage =
  | { kind: 'hello'; from: string }
  | { kind: 'state'; from: string; state: State }
  | { kind: 'lost'; from: string; why: string }
  | { kind: 'leave'; from: string };

export interface Channel {
  post(message: TabMessage): void;
  /** @returns ends it. */
  listen(take: (message: TabMessage) => void): () => void;
  close(): void;
}

export interface Sharing {
  channel: Channel | undefined;
  /** Random; of two tabs with a stream the smaller one keeps it. */
  name: string;
  /** Opens the stream of this tab; @returns what closes it. */
  open: (listener: ShareListener & { onRefused: () => void }) => () => void;
}

export interface ShareListener {
  onState: (state: State) => void;
  onLost: (why: string) => void;
}

/** Another tab would have answered by then. */
const ANSWER_MS = 300;
/** A tab with a stream says something each second; one that the browser has put to sleep does not. */
const SILENCE_MS = 3500;
const LOOK_MS = 500;

/** States by our own stream or by that of another tab. @returns ends it, and leaves the stream to the others. */
export function shareStream(sharing: Sharing, listener: ShareListener): () => void {
  const { channel, name } = sharing;
  let close: (() => void) | undefined;
  let last: State | undefined;
  let heardAt = Date.now();
  /** Our stream waits for a token; until then that of another tab is as good. */
  let isRefused = false;
  // Not all of those that wait begin at once.
  const patienceMs = SILENCE_MS * (1 + Math.random() / 2);

  const lead = () => {
    if (close !== undefined) return;
    close = sharing.open({
      onState: (state) => {
        isRefused = false;
        last = state;
        channel?.post({ kind: 'state', from: name, state });
        listener.onState(state);
      },
      onLost: (why) => {
        channel?.post({ kind: 'lost', from: name, why });
        listener.onLost(why);
      },
      // Another tab may have a token.
      onRefused: () => {
        isRefused = true;
        channel?.post({ kind: 'leave', from: name });
      },
    });
  };
  const yieldTo = () => {
    close?.();
    close = undefined;
  };
  const take = (message: TabMessage) => {
    if (message.kind === 'hello') {
      if (close !== undefined && last !== undefined)
        channel?.post({ kind: 'state', from: name, state: last });
      return;
    }
    if (message.kind === 'leave') {
      heardAt = Date.now() - patienceMs + ANSWER_MS * Math.random();
      return;
    }
    if (close !== undefined && !isRefused) {
      if (message.kind === 'lost' || message.from > name) return;
      yieldTo();
    }
    heardAt = Date.now();
    if (message.kind === 'state') listener.onState(message.state);
    else listener.onLost(message.why);
  };

  const deafen = channel?.listen(take);
  channel?.post({ kind: 'hello', from: name });
  if (channel === undefined) lead();
  else heardAt -= patienceMs - ANSWER_MS * (1 + Math.random());
  const timer = setInterval(() => {
    if (close === undefined && Date.now() - heardAt > patienceMs) lead();
  }, LOOK_MS / 5);
  return () => {
    clearInterval(timer);
    if (close !== undefined) channel?.post({ kind: 'leave', from: name });
    yieldTo();
    deafen?.();
  };
}
