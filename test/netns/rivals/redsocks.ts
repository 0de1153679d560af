/** redsocks on server1 behind microsocks, a real SOCKS5 server, on the Internet. IPv4 only. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { INTERNET_ADDRESSES_V4 } from '../../../control/lab/topology.js';
import { Running } from './launch.js';
import { escaped, PORT, type Rival } from './program.js';

const [, SOCKS_ADDRESS, EXIT_ADDRESS] = INTERNET_ADDRESSES_V4;
const SOCKS_PORT = 1080;

// No user, group or chroot: the tests also run in a user namespace, which knows no other user.
const CONFIG = `base {
  log_debug = on;
  log_info = on;
  log = "stderr";
  daemon = off;
  redirector = iptables;
}
redsocks {
  local_ip = 0.0.0.0;
  local_port = ${PORT};
  ip = ${SOCKS_ADDRESS};
  port = ${SOCKS_PORT};
  type = socks5;
}
`;

export const REDSOCKS: Rival = {
  name: 'redsocks',
  program: 'external',
  needs: ['redsocks', 'microsocks'],
  families: ['v4'],
  exit: { v4: EXIT_ADDRESS },
  misled: (own, conntrack) =>
    conntrack
      ? new RegExp(`->${escaped(own)}:${PORT}\\]: accepted`)
      : /getsockopt: No such file or directory/,
  reached: (address) => new RegExp(`->${escaped(address)}:80\\]: connection closed`),
  async start({ lab, directory }) {
    const file = join(directory, 'redsocks.conf');
    writeFileSync(file, CONFIG);
    const microsocks = ['-i', SOCKS_ADDRESS, '-p', `${SOCKS_PORT}`, '-b', EXIT_ADDRESS];
    return [
      await Running.start(lab, 'internet', ['microsocks', ...microsocks], SOCKS_PORT),
      await Running.start(lab, 'server1', ['redsocks', '-c', file], PORT),
    ];
  },
};
