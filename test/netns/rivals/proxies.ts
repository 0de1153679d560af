/** Debian's proxies on the Internet, which our relay uses as upstreams. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ADDRESS,
  INTERNET_ADDRESSES_V4,
  INTERNET_ADDRESSES_V6,
} from '../../../control/lab/topology.js';
import type { Fixture } from '../fixture.js';
import { Running } from './launch.js';
import type { FamilyName } from './program.js';

export const LOGIN = { username: 'relay', password: 'for-the-lab-only' } as const;

/** Where the proxies listen, and where their own connections come from. */
export const PROXY = { v4: INTERNET_ADDRESSES_V4[1], v6: INTERNET_ADDRESSES_V6[1] } as const;
export const EXIT = { v4: INTERNET_ADDRESSES_V4[2], v6: INTERNET_ADDRESSES_V6[2] } as const;

interface MicrosocksOptions {
  port: number;
  /** Of the address it listens on. */
  family?: FamilyName;
  login?: boolean;
  /** Of the address that it connects from; any family, from any address, when absent. */
  exit?: FamilyName;
}

export function microsocks({ lab }: Fixture, options: MicrosocksOptions): Promise<Running> {
  const { port, family = 'v4', login = false, exit } = options;
  const argv = ['microsocks', '-i', PROXY[family], '-p', `${port}`];
  if (exit) argv.push('-b', EXIT[exit]);
  if (login) argv.push('-u', LOGIN.username, '-P', LOGIN.password);
  return Running.start(lab, 'internet', argv, port);
}

// No user or group: the tests also run in a user namespace, which knows no other user.
const tinyproxyConfig = (port: number) => `Port ${port}
Listen ${PROXY.v4}
Timeout 60
MaxClients 100
LogLevel Error
BasicAuth ${LOGIN.username} ${LOGIN.password}
`;

/** @param connectPort the only one it connects to; every port when absent. */
export function tinyproxy(
  { lab, directory }: Fixture,
  port: number,
  connectPort?: number,
): Promise<Running> {
  const file = join(directory, 'tinyproxy.conf');
  const rule = connectPort === undefined ? '' : `ConnectPort ${connectPort}\n`;
  writeFileSync(file, tinyproxyConfig(port) + rule);
  return Running.start(lab, 'internet', ['tinyproxy', '-d', '-c', file], port);
}

/** What the Internet sees of a proxy that was not told where to connect from. */
export const OWN = ADDRESS.internet;
