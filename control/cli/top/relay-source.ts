/** Looks at the relay again and again, also at the one that takes its place. */
import { CLOSE_MOST } from '../../../monitoring/control-pages.js';
import { connectRelay, type RelayClient } from '../relay/client.js';
import type { Look } from './picture.js';

export interface RelaySource {
  /** @throws SidetrackError while no relay answers. */
  look(wanted: { list: boolean }): Promise<{ port: number; look: Look }>;
  /** @returns how many of them were still open. */
  close(ids: readonly number[]): Promise<number>;
  /** Waits for no answer any more. */
  end(): void;
}

/** @param pid which relay, when several run here. @throws SidetrackError when there is none. */
export async function openSource(pid: string | undefined): Promise<RelaySource> {
  const ending = new AbortController();
  let relay: RelayClient | undefined = await connectRelay(pid, ending.signal);
  const connected = async () => {
    relay ??= await connectRelay(pid, ending.signal);
    return relay;
  };
  return {
    async look({ list }) {
      const one = await connected();
      try {
        const [state, connections] = await Promise.all([
          one.state(),
          list ? one.connections() : undefined,
        ]);
        return {
          port: one.port,
          look: {
            ...(state !== undefined && { state }),
            ...(connections !== undefined && { list: connections }),
          },
        };
      } catch (error) {
        // The next one may have another process number.
        relay = undefined;
        throw error;
      }
    },
    async close(ids) {
      const one = await connected();
      let closed = 0;
      for (let from = 0; from < ids.length; from += CLOSE_MOST)
        closed += (await one.close(ids.slice(from, from + CLOSE_MOST))).length;
      return closed;
    },
    end: () => ending.abort(),
  };
}
