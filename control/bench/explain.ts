/** What is in the way of a measurement, as an error that a user can act on. */
import { SidetrackError } from '../error.js';
import type { Iperf3Failure, Iperf3FailureCode } from './iperf3-failure.js';
import type { Family, Target } from './plan.js';

export function missingIperf3(side: 'client' | 'server', address: string): SidetrackError {
  return new SidetrackError(`there is no iperf3 on the ${side} (${address})`, {
    code: 'iperf3-missing',
    source: 'host',
    hint: 'install it there (Debian: apt-get install iperf3; OpenWrt: opkg install iperf3)',
  });
}

export function portTaken(address: string, port: number): SidetrackError {
  return new SidetrackError(`port ${port} is taken on ${address}`, {
    code: 'bench-port',
    source: 'host',
    hint: `choose another with --port, or see what has it: ss -ltnp sport = :${port}; an iperf3 server that runs already is measured with --server HOST:${port}`,
  });
}

export function serverGone(address: string, said: string): SidetrackError {
  return new SidetrackError(`${address}: iperf3 does not listen${said ? `: ${said}` : ''}`, {
    code: 'bench-server',
    source: 'host',
    hint: 'try it by hand there: iperf3 --server',
    cause: said,
  });
}

interface Ours {
  server?: unknown;
}

/** @param ours whether the server was started by us */
export function explainFailure(
  { code, said }: Iperf3Failure,
  way: string,
  family: Family,
  { address, ports }: Target,
  ours: Ours,
): SidetrackError {
  const place = address.includes(':') ? `[${address}]:${ports[0]}` : `${address}:${ports[0]}`;
  const [message, hint] = WORDS[code]({ place, port: ports[0]!, family, isOurs: !!ours.server });
  return new SidetrackError(`${way}: ${message ?? `iperf3 to ${place}: ${said}`}`, {
    code: `iperf3-${code}`,
    source: 'host',
    hint,
    cause: said,
  });
}

interface About {
  place: string;
  port: number;
  family: Family;
  isOurs: boolean;
}

const NEXT = 'try it by hand from the client: iperf3 --client';

/** No message where iperf3's own words are the best. */
const WORDS: Readonly<
  Record<Iperf3FailureCode, (about: About) => [message: string | undefined, hint: string]>
> = {
  missing: () => ['iperf3 could not be started on the client', 'apt-get install iperf3'],
  refused: ({ place, port, isOurs }) => [
    `${place} refuses the connection`,
    isOurs
      ? `something between resets it, or the address is another machine's: name the server's with --address; is TCP ${port} open?`
      : `start one there: iperf3 --server --port ${port}; or let bench do it: --server ssh://user@host`,
  ],
  timeout: ({ place, port }) => [
    `no answer from ${place} within 5 s: a firewall between drops it, or the address is not the server's`,
    `open TCP ${port} and the port behind it from the client to the server (nft add rule inet filter input tcp dport ${port}-${port + 1} accept), or name the server's address with --address`,
  ],
  unreachable: ({ place, family }) => [
    `the client has no way to ${place}`,
    `look there: ip -${family} route get ${place.replace(/^\[|\]?:\d+$/g, '')}`,
  ],
  unresolved: ({ place, family }) => [
    `the client finds no IPv${family} address for ${place}`,
    `look there: getent ahosts; or name an address`,
  ],
  busy: ({ place, isOurs }) => [
    `the iperf3 server at ${place} is busy with another test`,
    isOurs
      ? 'run it again'
      : 'wait until that has ended; one that lost its client may stay so for ever (3.15 and older): restart it there',
  ],
  closed: () => [undefined, 'is there another server than iperf3 at that port? Run it again'],
  'port-taken': () => [undefined, 'choose another with --port'],
  interrupted: () => [undefined, 'run it again'],
  'cut-off': () => [undefined, 'run it again with fewer --streams'],
  other: ({ place }) => [undefined, `${NEXT} ${place.replace(/:\d+$/, '')}`],
};
