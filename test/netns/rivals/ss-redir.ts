/** ss-redir on server1, ss-server on the Internet (shadowsocks-libev). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { INTERNET_ADDRESSES_V4, INTERNET_ADDRESSES_V6 } from '../../../control/lab/topology.js';
import { Running } from './launch.js';
import { escaped, PORT, type Rival } from './program.js';

const [, SERVER_ADDRESS, EXIT_V4] = INTERNET_ADDRESSES_V4;
const [, , EXIT_V6] = INTERNET_ADDRESSES_V6;
const SERVER_PORT = 8388;

const COMMON = {
  server_port: SERVER_PORT,
  password: 'for the lab only',
  method: 'aes-128-gcm',
  timeout: 60,
  mode: 'tcp_only',
};
const SERVER = {
  ...COMMON,
  server: SERVER_ADDRESS,
  // Where its own connections come from, so that the Internet can tell them from the router's.
  local_ipv4_address: EXIT_V4,
  local_ipv6_address: EXIT_V6,
};
const CLIENT = { ...COMMON, server: SERVER_ADDRESS, local_address: '::', local_port: PORT };

export const SS_REDIR: Rival = {
  name: 'ss-redir',
  program: 'external',
  needs: ['ss-redir', 'ss-server'],
  families: ['v4', 'v6'],
  exit: { v4: EXIT_V4, v6: EXIT_V6 },
  misled: (own, conntrack) =>
    conntrack
      ? new RegExp(`redir to ${escaped(own)}:${PORT}`)
      : /getdestaddr: No such file or directory/,
  reached: (address) => new RegExp(`redir to ${escaped(address)}:80`),
  async start({ lab, directory }, ...args) {
    const write = (name: string, content: object) => {
      const file = join(directory, name);
      writeFileSync(file, JSON.stringify(content));
      return file;
    };
    const server = ['ss-server', '-v', '-c', write('ss-server.json', SERVER)];
    const redir = ['ss-redir', '-v', '-c', write('ss-redir.json', CLIENT), ...args];
    return [
      await Running.start(lab, 'internet', server, SERVER_PORT),
      await Running.start(lab, 'server1', redir, PORT),
    ];
  },
};
