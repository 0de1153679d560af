/**
 * A machine that sidetrack acts on, reduced to "run this program with this input".
 * Reading and writing files are programs too (`cat`, `tee`), so that a network namespace's
 * /proc/sys and a remote machine need no second mechanism.
 */
import { dirname } from 'node:path';
import { SidetrackError } from '../error.js';
import type { Places } from './namespace.js';
import type { RunOptions, RunResult } from './process.js';

export interface Host extends Places {
  /** As written in the configuration: `local`, `netns://router`. */
  readonly address: string;
  /** The words that start our own command line there. */
  readonly sidetrack: readonly string[];
  /** The argument vector that runs `argv` there; what `plan --sh` prints. */
  wrap(argv: readonly string[]): string[];
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}

/** Runs and insists on success; the error names host, command and what the program said. */
export async function runChecked(
  host: Host,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await host.run(argv, options);
  if (result.status !== 0) throw commandError(host, argv, result);
  return result.stdout;
}

/** The file's content, or undefined when it does not exist. */
export async function readFile(host: Host, path: string): Promise<string | undefined> {
  const result = await host.run(['cat', path]);
  if (result.status === 0) return result.stdout;
  if (result.stderr.includes('No such file')) return undefined;
  throw commandError(host, ['cat', path], result);
}

/** Turns a failed command into the error a user can act on. */
export function commandError(
  host: Host,
  argv: readonly string[],
  result: RunResult,
): SidetrackError {
  const said = firstLine(result.stderr) || firstLine(result.stdout) || 'no message';
  const known = explain(host, argv, result);
  return new SidetrackError(
    known?.message ??
      `${host.address}: "${argv.join(' ')}" failed with status ${result.status}: ${said}`,
    {
      code: known?.code ?? 'command-failed',
      source: known?.source ?? 'host',
      ...(known?.hint !== undefined && { hint: known.hint }),
      cause: result.stderr,
    },
  );
}

interface Explanation {
  message: string;
  code: string;
  source: 'host' | 'kernel';
  hint?: string;
}

const PACKAGE_OF: Readonly<Record<string, string>> = {
  nft: 'nftables',
  ip: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
};

/** The file that a script of ours writes; undefined for any other command. */
const writtenFile = ([program, , script, , file]: readonly string[]): string | undefined =>
  program === 'sh' && script?.includes('cat >') ? file : undefined;

function purposeOf(argv: readonly string[]): string {
  const file = writtenFile(argv);
  return file === undefined ? `"${argv.slice(0, 3).join(' ')}"` : `writing ${file}`;
}

/** Our own command line has said what is wrong, and what to type next. */
function ownWords(
  host: Host,
  argv: readonly string[],
  { stderr }: RunResult,
): Explanation | undefined {
  const message = /^error: (.*)$/m.exec(stderr)?.[1];
  if (message === undefined || host.sidetrack.some((word, i) => argv[i] !== word)) return undefined;
  const hint = /^ {2}hint: (.*)$/m.exec(stderr)?.[1];
  return {
    message: `${host.address}: ${message}`,
    code: 'command-failed',
    source: 'host',
    ...(hint !== undefined && { hint }),
  };
}

function explain(host: Host, argv: readonly string[], result: RunResult): Explanation | undefined {
  const own = ownWords(host, argv, result);
  if (own) return own;
  const program = /^(\S+): not found$/.exec(result.stderr)?.[1] ?? argv[0] ?? '';
  const [full] = /Read-only file system|No space left on device/.exec(result.stderr) ?? [];
  const file = writtenFile(argv);
  if (full !== undefined && file !== undefined)
    return {
      message: `${host.address}: ${purposeOf(argv)} failed: ${full}`,
      code: 'not-writable',
      hint: `make ${dirname(file)} writable: df and findmnt show what is in the way`,
      source: 'host',
    };
  if (/Operation not permitted|must be root|Permission denied/.test(result.stderr))
    return {
      message: `${host.address}: no privilege for ${purposeOf(argv)}`,
      code: 'privilege-missing',
      source: 'host',
      hint: 'run it as root (sudo), or try everything without root in `sidetrack lab`',
    };
  if (/JSON support not compiled/i.test(result.stderr + result.stdout))
    return {
      message: `${host.address}: this nft was built without JSON support`,
      code: 'nft-without-json',
      source: 'host',
      hint: 'install the full package (Debian: nftables; OpenWrt: nftables-json)',
    };
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

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
