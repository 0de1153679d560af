/** What iperf3 means when it says that it has failed. Its exit status says little: Debian's 3.12 ends with 0. */

export type Iperf3FailureCode =
  /** No iperf3 on that machine. */
  | 'missing'
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'unresolved'
  /** The server has a test under way, or still one of a client that is gone (3.15 and older never end it). */
  | 'busy'
  /** The far side closed in the middle; also what a first test after a server's start may say. */
  | 'closed'
  | 'port-taken'
  | 'interrupted'
  /** The output has no end: it was killed, or its results were too long for itself. */
  | 'cut-off'
  | 'other';

export interface Iperf3Failure {
  code: Iperf3FailureCode;
  /** Its own words, one line. */
  said: string;
  /** The same once more may work. */
  again: boolean;
}

const MEANINGS: readonly (readonly [RegExp, Iperf3FailureCode])[] = [
  [/not found|no such file/i, 'missing'],
  [/connection refused/i, 'refused'],
  [/timed? ?out|operation now in progress/i, 'timeout'],
  [/unreachable|no route to host|permission denied|cannot assign requested/i, 'unreachable'],
  [
    /name or service|temporarily unavailable|name resolution|nodename|address family|no address associated|invalid argument/i,
    'unresolved',
  ],
  [/server is busy/i, 'busy'],
  [/address (already )?in use/i, 'port-taken'],
  [/interrupt|the client has terminated/i, 'interrupted'],
  [/data length overflow|json.*(overflow|too long)/i, 'cut-off'],
  [
    /control socket|unexpectedly|reset by peer|broken pipe|server has terminated|unable to (receive|read|write|send)/i,
    'closed',
  ],
];

const WORTH_ANOTHER: readonly Iperf3FailureCode[] = ['busy', 'closed'];

const MOST_WORDS = 300;

export function iperf3Failure(said: string): Iperf3Failure {
  const code = MEANINGS.find(([words]) => words.test(said))?.[1] ?? 'other';
  return failureOf(code, said);
}

export function failureOf(code: Iperf3FailureCode, said: string): Iperf3Failure {
  const line = said.replace(/\s+/g, ' ').trim().slice(0, MOST_WORDS);
  return { code, said: line, again: WORTH_ANOTHER.includes(code) };
}
