/** Handshakes on a server that never complete, for `status`: the kernel is asked, so any program may listen. */
import { halfOpenHandshakes } from '../../proxy/half-open.js';
import type { Config, ServerConfig } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import type { Host } from '../hosts/host.js';
import { locate } from '../plan/finding.js';

/** There, so that a hundred thousand connections do not have to come here. */
const LIST = ['grep', '-h', ' 03 ', '/proc/net/tcp', '/proc/net/tcp6'];
const NAMED = 3;

export async function halfOpenWarnings(
  host: Host,
  config: Config,
  server: ServerConfig,
): Promise<Diagnostic[]> {
  const { stdout } = await host.run({ argv: LIST });
  const own = Object.values(server.address);
  const clients = halfOpenHandshakes(stdout)
    .filter(({ local }) =>
      server.capture === 'tproxy' ? !own.includes(local.address) : local.port === server.port,
    )
    .map(({ client }) => client);
  if (clients.length === 0) return [];
  return locate(config, [
    {
      path: ['servers', config.servers.indexOf(server), 'interface'],
      ...words(clients, server),
    },
  ]);
}

function words(all: readonly string[], { name, interface: device }: ServerConfig) {
  const clients = [...new Set(all)];
  const more = clients.length > NAMED ? ` and ${clients.length - NAMED} more` : '';
  const from = `${clients.slice(0, NAMED).join(', ')}${more}`;
  const count = all.length === 1 ? 'one handshake does' : `${all.length} handshakes do`;
  return {
    message: `${count} not complete on ${name}: SYNs of ${from} arrive, and nothing answers the SYN-ACKs`,
    hint: `client isolation, a private VLAN or anti-spoofing at ${name}'s port may keep the answers from them, or they are macvlans on ${device}; unknown senders mean a scan or a SYN flood`,
  };
}
