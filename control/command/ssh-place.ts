/** A host behind ssh: its address as people type it, and what came instead of a shell. */
import { shellWords } from './shell.js';

/** What `ssh://user@host:port` names. */
export interface SshPlace {
  user: string;
  host: string;
  /** Absent where ssh decides: by its configuration, or 22. */
  port?: number | undefined;
}

export function sshPlace(address: string): SshPlace {
  const [, user = '', host = '', port] =
    /^ssh:\/\/([^@]*)@(\[[^\]]*\]|[^:/]*)(?::(\d+))?\/?$/.exec(address) ?? [];
  return {
    user,
    host: host.replace(/^\[|\]$/g, ''),
    ...(port !== undefined && { port: Number(port) }),
  };
}

/** What to type to get there by hand. */
export function sshCommand({ user, host, port }: SshPlace, program = 'ssh'): string {
  const words = [program, ...(port === undefined ? [] : ['-p', `${port}`]), `${user}@${host}`];
  return shellWords(words);
}

export interface SshFailure {
  /** As in the configuration: `ssh://root@router`. */
  readonly address: string;
  /** The last of what ssh, and what it started, said on standard error. */
  readonly stderr: string;
  /** What was said on standard output instead of an answer. */
  readonly stdout?: string;
  /** ssh's own are 255; others are the far shell's, or sudo's. */
  readonly status: number;
}
