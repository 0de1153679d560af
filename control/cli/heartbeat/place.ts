/** Where the sender of heartbeats finds its file, and keeps its counter. */
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  COUNTER_FILE_NAME,
  heartbeatCounterPath,
  heartbeatFilePath,
} from '../../heartbeat/key-file.js';
import { pathsIn } from '../../hosts/paths.js';

export interface HeartbeatPlace {
  file: string;
  counter: string;
}

const NAMESPACES = '/run/netns';

/** Of the network namespace that this process is in: there `apply` has left the file. */
export function heartbeatPlace(env: NodeJS.ProcessEnv = process.env): HeartbeatPlace {
  const paths = pathsIn(
    attempt(() => numberIn(readlinkSync('/proc/self/ns/net'))),
    attempt(() => numberIn(readlinkSync('/proc/1/ns/net'))),
    names(),
  );
  // systemd names the directory that is the service's own and outlives it (systemd.exec(5)).
  const own = env.STATE_DIRECTORY?.split(':')[0];
  return {
    file: heartbeatFilePath(paths),
    counter: own ? join(own, COUNTER_FILE_NAME) : heartbeatCounterPath(paths),
  };
}

const numberIn = (link: string) => /\[(\d+)\]/.exec(link)?.[1];

function names(): Map<string, string> {
  const found = attempt(() => readdirSync(NAMESPACES).sort().reverse()) ?? [];
  return new Map(
    found.flatMap((name) => {
      const inode = attempt(() => statSync(join(NAMESPACES, name)).ino);
      return inode === undefined ? [] : [[String(inode), name]];
    }),
  );
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
