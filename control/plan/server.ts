/** Config → a server's desired state. Pure. */
import type { ServerConfig } from '../config/config.js';
import { serverTable } from '../nft/server-table.js';
import type { HostState } from './state.js';

/** Only nat rules: `ip_forward` stays as found, because redirected packets become local. */
export function serverState(server: ServerConfig): HostState {
  return {
    name: server.name,
    table: serverTable({ interface: server.interface, port: server.port }),
    ipRules: [],
    routes: [],
    sysctls: [],
  };
}
