/** What programs say when they fail, as an error that a user can act on. */
import { dirname } from 'node:path';
import { type Command, programOf, purposeOf, type RunResult } from './command.js';

/** Of a host, what its errors name. */
export interface HostRef {
  /** As written in the configuration: `local`, `netns://router`. */
  readonly address: string;
  /** The words that start our own command line there. */
  readonly sidetrack: readonly string[];
}

export interface Explanation {
  message: string;
  code: string;
  source: 'host' | 'kernel';
  hint?: string;
}

const PACKAGE_OF: Readonly<Record<string, string>> = {
  nft: 'nftables',
  ip: 'iproute2',
  flock: 'util-linux',
  nsenter: 'util-linux',
  unshare: 'util-linux',
};

/** Our own command line has said what is wrong, and what to type next. */
function ownWords(host: HostRef, command: Command, { stderr }: RunResult): Explanation | undefined {
  const argv = programOf(command);
  const message = /^error: (.*)$/m.exec(stderr)?.[1];
  if (message === undefined || host.sidetrack.some((word, i) => argv[i] !== word)) return undefined;
  const said = /^ {2}hint: (.*)$/m.exec(stderr)?.[1];
  // A host behind ssh may be hostile: what it says is not ours to type.
  const isFar = host.address.startsWith('ssh://');
  const hint = said !== undefined && isFar ? `what it says itself: "${said}"` : said;
  return {
    message: `${host.address}: ${message}`,
    code: 'command-failed',
    source: 'host',
    ...(hint !== undefined && { hint }),
  };
}

/** BusyBox's ip, and iproute2 before it learned JSON, say so in several ways, or just print text. */
export const ipWithoutJson = (host: HostRef): Explanation => ({
  message: `${host.address}: this ip cannot print JSON: it is BusyBox's, or an old one`,
  code: 'ip-without-json',
  source: 'host',
  hint: 'install the full program (OpenWrt: opkg install ip-full; Debian: apt-get install iproute2)',
});

const UNKNOWN_OPTION = /BusyBox|^Usage: ip|(unrecognized|invalid) option|Option ".*" is unknown/m;

/** @returns undefined where nothing better is known than what the program said. */
export function explain(
  host: HostRef,
  command: Command,
  result: RunResult,
): Explanation | undefined {
  const own = ownWords(host, command, result);
  if (own) return own;
  const argv = programOf(command);
  const said = result.stderr + result.stdout;
  const program = /^([\w.+-]+): not found$/.exec(result.stderr)?.[1] ?? argv[0] ?? '';
  const [full] = /Read-only file system|No space left on device/.exec(result.stderr) ?? [];
  const { writes: file } = command;
  if (full !== undefined && file !== undefined)
    return {
      message: `${host.address}: ${purposeOf(command)} failed: ${full}`,
      code: 'not-writable',
      hint: `make ${dirname(file)} writable: df and findmnt show what is in the way`,
      source: 'host',
    };
  if (/Operation not permitted|must be root|Permission denied/.test(result.stderr))
    return {
      message: `${host.address}: no privilege for ${purposeOf(command)}`,
      code: 'privilege-missing',
      source: 'host',
      hint: 'run it as root (sudo), or try everything without root in `sidetrack lab`',
    };
  if (/JSON support not compiled/i.test(said))
    return {
      message: `${host.address}: this nft was built without JSON support`,
      code: 'nft-without-json',
      source: 'host',
      hint: 'install the full package (Debian: nftables; OpenWrt: nftables-json)',
    };
  if (argv[0] === 'ip' && UNKNOWN_OPTION.test(said)) return ipWithoutJson(host);
  if (/Cannot open network namespace|cannot open \/run\/netns/.test(result.stderr))
    return {
      message: `${host.address}: no such network namespace`,
      code: 'netns-missing',
      source: 'host',
      hint: 'list the ones that exist with: ip netns list',
    };
  if (result.status === 127)
    return {
      message: `${host.address}: the program "${program}" is missing`,
      code: 'program-missing',
      source: 'host',
      hint: `install it (Debian: apt-get install ${PACKAGE_OF[program] ?? program})`,
    };
  return undefined;
}
