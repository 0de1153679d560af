/** The way from tab to tab. */
import type { Channel, TabMessage } from './share.js';

/** The browser's, or none where it has none. */
export function browserChannel(name: string): Channel | undefined {
  if (typeof BroadcastChannel === 'undefined') return undefined;
  const channel = new BroadcastChannel(name);
  return {
    post: (message) => channel.postMessage(message),
    listen(take) {
      const heard = ({ data }: MessageEvent<TabMessage>) => take(data);
      channel.addEventListener('message', heard);
      return () => channel.removeEventListener('message', heard);
    },
    close: () => channel.close(),
  };
}
