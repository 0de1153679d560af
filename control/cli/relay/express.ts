/** The mode `express` on the machine that the relay runs on: its program is loaded and attached, or it is said why not. */
import { readlinkSync } from 'node:fs';
import { ClassifierError } from '../../../bpf/error.js';
import { type Express, openExpress } from '../../../bpf/express.js';
import { CallError } from '../../../bpf/ffi.js';
import type { Config, ServerConfig } from '../../config/config.js';
import { packageFile } from '../../hosts/sidetrack.js';

const OBJECT = packageFile('build/bpf/express.bpf.o');

/** In the BPF file system; flows of one network mean nothing in another, which may share the file system. */
function pins(): string {
  const network = /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? 'unknown';
  return `/sys/fs/bpf/sidetrack-relay-${network}`;
}

export interface RunningExpress {
  /** For the engine. */
  maps: { expressMaps: { flows: number; slots: number } };
  /** Takes the program off the interfaces. */
  end(): void;
  /** Leaves it to the relay that has taken over, where that uses it, too. */
  leave(): void;
}

/**
 * @param say where it is said what came of it.
 * @returns undefined when it is not configured or cannot be had: then all connections pass through the relay.
 */
export function expressFor(
  config: Config,
  server: Pick<ServerConfig, 'interface'>,
  say: (line: string) => void,
): RunningExpress | undefined {
  if (config.relay.express === 'off') return undefined;
  try {
    const express = openExpress(OBJECT, pins(), [server.interface]);
    say(
      `express: on ${server.interface}, for connections of more than ${config.relay.expressAfter} bytes`,
    );
    return running(express);
  } catch (error) {
    if (!(error instanceof ClassifierError) && !(error instanceof CallError)) throw error;
    const hint = 'it needs root, or CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON and CAP_NET_RAW';
    say(
      `warning: express is not to be had, connections pass through the relay: ${error.message} (${hint})`,
    );
    return undefined;
  }
}

function running(express: Express): RunningExpress {
  return {
    maps: { expressMaps: { flows: express.flows, slots: express.slots } },
    end: () => {
      express.detach();
      express.close();
    },
    leave: () => {
      if (!express.pinned) express.detach();
      express.close();
    },
  };
}
