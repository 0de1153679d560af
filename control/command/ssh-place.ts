/** A host behind ssh: its address as people type it, and what came instead of a shell. */
import { shellWords } from './shell.js';

/** What `ssh://user@host:port` names. */
export interface SshPlace {
  user: string;
  host: string;
  /** Absent where ssh decides: by its configuration, or 22. */
  port?: number | undefined;
  /** ssh has the keys and known hosts of root, by way of sudo. */
  bySudo?: boolean | undefined;
}

export function sshPlace({ address, bySudo }: Pick<SshFailure, 'address' | 'bySudo'>): SshPlace {
  const [, user = '', host = '', port] =
    /^ssh:\/\/([^@]*)@(\[[^\]]*\]|[^:/]*)(?::(\d+))?\/?$/.exec(address) ?? [];
  return {
    user,
    host: host.replace(/^\[|\]$/g, ''),
    ...(port !== undefined && { port: Number(port) }),
    bySudo,
  };
}

/** What to type to get there by hand. */
export function sshCommand({ user, host, port, bySudo }: SshPlace, program = 'ssh'): string {
  const words = [program, ...(port === undefined ? [] : ['-p', `${port}`]), `${user}@${host}`];
  return asUser(bySudo, words);
}

/** As the user whose keys and known hosts count. */
export const asUser = (bySudo: boolean | undefined, words: readonly string[]): string =>
  shellWords(bySudo ? ['sudo', ...words] : words);

export interface SshFailure {
  /** As in the configuration: `ssh://root@router`. */
  readonly address: string;
  /** The last of what ssh, and what it started, said on standard error. */
  readonly stderr: string;
  /** What was said on standard output instead of an answer. */
  readonly stdout?: string;
  /** ssh's own are 255; others are the far shell's, or sudo's. */
  readonly status: number;
  /** sidetrack was started by sudo. */
  readonly bySudo?: boolean;
}
