/** What `sidetrack top` knows at one moment: two looks at the relay, and what follows from them. Pure. */
import type { ConnectionList } from '../../../monitoring/control-pages.js';
import type { State } from '../../../monitoring/state.js';
import { type RatedConnection, rate } from '../relay/connection-list.js';

/** What was read at one moment. */
export interface Look {
  /** Absent where the relay is of a version that has none. */
  state?: State;
  /** Absent where nobody wanted them. */
  list?: ConnectionList;
}

export interface Picture {
  port: number;
  now: Look;
  /** Absent at the first look: then there are no rates yet. */
  before?: Look;
  /** Those of `now`, with rates; empty where nobody wanted them. */
  connections: readonly RatedConnection[];
}

/** The next picture, after the relay was looked at again. */
export function nextPicture(port: number, now: Look, before: Look | undefined): Picture {
  const connections = now.list === undefined ? [] : rate(now.list, before?.list);
  return { port, now, connections, ...(before !== undefined && { before }) };
}

/**
 * Of something that is counted in the state, for each second between the two looks.
 * @returns undefined before the second look, and where the counter began anew.
 */
export function perSecond(
  { now, before }: Picture,
  count: (state: State) => number | undefined,
): number | undefined {
  if (now.state === undefined || before?.state === undefined) return undefined;
  const seconds = now.state.at - before.state.at;
  const [last, first] = [count(now.state), count(before.state)];
  if (seconds <= 0 || last === undefined || first === undefined || last < first) return undefined;
  return (last - first) / seconds;
}

export interface Totals {
  open: number;
  /** Bytes a second. */
  upload: number | undefined;
  download: number | undefined;
  /** Connections a second. */
  opened: number | undefined;
}

export function totals(picture: Picture): Totals {
  const { relay } = picture.now.state ?? {};
  if (relay === undefined) {
    const sum = (pick: (one: RatedConnection) => number) =>
      picture.connections.reduce((total, one) => total + pick(one), 0);
    const upload = sum((one) => one.uploadRate);
    const download = sum((one) => one.downloadRate);
    return { open: picture.connections.length, upload, download, opened: undefined };
  }
  return {
    open: relay.connections.active,
    upload: perSecond(picture, (state) => state.relay?.bytes.upload),
    download: perSecond(picture, (state) => state.relay?.bytes.download),
    opened: perSecond(picture, ({ relay: one }) =>
      one === undefined ? undefined : one.connections.accepted.ipv4 + one.connections.accepted.ipv6,
    ),
  };
}
