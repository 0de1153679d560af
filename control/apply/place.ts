/** Where steps run. */
import type { Host, Session } from '../hosts/host.js';

/** A host whose lock is held, by the session. */
export interface Place {
  readonly host: Host;
  readonly session: Session;
}

export type Places = ReadonlyMap<string, Place>;
