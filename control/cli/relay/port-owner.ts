/** Which program listens on a TCP port of this machine, from /proc (proc_pid_net(5)). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const TCP_LISTEN = '0A';

/** `redsocks (pid 123)`, or undefined when no program listens or the owner may not be seen. */
export function listenerName(port: number): string | undefined {
  const inodes = listeningInodes(port);
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && ownsSocket(name, inodes));
  if (pid === undefined) return undefined;
  return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (pid ${pid})`;
}

function listeningInodes(port: number): Set<string> {
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(readLines);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const listening = fields.filter(
    ([, local, , state]) => state === TCP_LISTEN && local?.endsWith(`:${hexPort}`),
  );
  return new Set(listening.map((line) => `socket:[${line[9]}]`));
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    // No IPv6 here.
    return [];
  }
}

function ownsSocket(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).some((fd) => inodes.has(readlinkSync(`${directory}/${fd}`)));
  } catch {
    // Another user's process, or one that has just ended.
    return false;
  }
}
