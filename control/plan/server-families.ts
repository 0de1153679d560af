import type { ServerConfig } from '../config/config.js';
import type { Family } from './state.js';

/** The families in which a server can be handed anything. */
export function serverFamilies({ address }: Pick<ServerConfig, 'address'>): Family[] {
  return [...(address.v4 ? [4 as const] : []), ...(address.v6 ? [6 as const] : [])];
}
