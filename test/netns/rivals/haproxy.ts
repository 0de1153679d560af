/**
 * HAProxy with `option transparent`. IPv4 only: HAProxy 2.6 asks SO_ORIGINAL_DST for AF_INET and
 * never IP6T_SO_ORIGINAL_DST (tcp_get_dst() there).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Running } from './launch.js';
import { escaped, PORT, type Rival } from './program.js';

// Few connections and short time-outs: a HAProxy that is misled connects to itself in a circle.
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
  bind 0.0.0.0:${PORT}
  maxconn 16
  default_backend original
backend original
  option transparent
`;

export const HAPROXY: Rival = {
  name: 'haproxy',
  program: 'external',
  needs: ['haproxy'],
  families: ['v4'],
  // It falls back to getsockname, so it takes its own address for the destination either way.
  misled: (own) => new RegExp(` to ${escaped(own)}:${PORT} `),
  reached: (address) => new RegExp(` to ${escaped(address)}:80 sent [1-9][0-9]* state --`),
  async start({ lab, directory }) {
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, CONFIG);
    return [await Running.start(lab, 'server1', ['haproxy', '-db', '-f', file], PORT)];
  },
};
