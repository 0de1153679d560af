/** The same programs behind `capture: tproxy`: listening with IP_TRANSPARENT, asking getsockname. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Running } from './launch.js';
import { escaped, type FamilyName, PORT, type Rival } from './program.js';
import { SS_REDIR } from './ss-redir.js';

type TransparentRival = Omit<Rival, 'misled' | 'reached'> & Required<Pick<Rival, 'reached'>>;

const CONFIG = `global
  log stdout format raw local0
  maxconn 40
defaults
  mode tcp
  log global
  log-format "from %ci:%cp to %[dst]:%[dst_port] sent %B state %ts"
  timeout connect 3s
  timeout client 3s
  timeout server 3s
frontend steered
  bind :::${PORT} v4v6 transparent
  maxconn 16
  default_backend original
backend original
  option transparent
`;

/** HAProxy never asks IP6T_SO_ORIGINAL_DST, so over IPv6 this is the only way. */
export const HAPROXY_TRANSPARENT: TransparentRival = {
  name: 'haproxy',
  program: 'external',
  needs: ['haproxy'],
  families: ['v4', 'v6'],
  // On a socket of both families getsockname says ::ffff:a.b.c.d.
  reached: (address) =>
    new RegExp(` to (::ffff:)?${escaped(address)}:80 sent [1-9][0-9]* state --`),
  async start({ lab, directory }) {
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, CONFIG);
    return [await Running.start(lab, 'server1', ['haproxy', '-db', '-f', file], PORT)];
  },
};

/** One for each family: it takes ::ffff:a.b.c.d for an IPv6 destination, which nobody can reach. */
function ssRedir(family: FamilyName, address: string): TransparentRival {
  return {
    ...SS_REDIR,
    name: `ss-redir on ${address}`,
    families: [family],
    reached: (destination) => new RegExp(`redir to ${escaped(destination)}:80`),
    start: (fixture) => SS_REDIR.start(fixture, '-T', '-b', address),
  };
}

export const SS_REDIR_TRANSPARENT = [ssRedir('v4', '0.0.0.0'), ssRedir('v6', '::')] as const;
