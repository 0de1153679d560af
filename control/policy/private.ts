/** The built-in set `private`. */
import { PrefixSet } from './prefix-set.js';

/**
 * Destinations that are never on the Internet: this network, private use, carrier-grade NAT,
 * loopback, link-local, multicast, reserved and broadcast.
 *
 * Left out on purpose: 198.18.0.0/15, because proxies that hand out fake addresses per domain name
 * take them from there and live on those packets being steered; and the documentation ranges
 * (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32), which no real network uses and
 * every laboratory does.
 */
export const PRIVATE: PrefixSet = PrefixSet.parse(
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
  '::/128',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
);
