/** What lets people look into a running relay: the control socket and the access log. */
import { startAccessLog } from '../../../monitoring/access-log.js';
import { startControlSocket } from '../../../monitoring/control-socket.js';
import type { Relay } from '../../../proxy/relay.js';
import type { RelayConfig } from '../../config/config.js';
import { SidetrackError } from '../../error.js';
import { RELAY_SOCKETS } from '../../plan/paths.js';
import { say } from '../output.js';
import type { RelayView } from './relay-view.js';

export interface Observation {
  /** When the relay has stopped: its last connections are still to be logged. */
  close(): Promise<void>;
}

/** @throws SidetrackError when the access log cannot be written; the relay is stopped then. */
export async function startObservation(
  relay: Relay,
  config: RelayConfig,
  view: RelayView,
): Promise<Observation> {
  const log = await openLog(relay, config).catch((error: unknown) => {
    relay.stop();
    throw error;
  });
  const socket = await openSocket(relay, view);
  return {
    async close() {
      await socket?.close();
      await log?.close();
    },
  };
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'make its directory',
  ENXIO: 'nobody reads this FIFO: start its reader first',
};

async function openLog(relay: Relay, { accessLog }: RelayConfig) {
  if (accessLog === undefined) return undefined;
  const { file } = accessLog;
  try {
    return await startAccessLog({ file, take: (out) => relay.takeLog(out), say: say });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SidetrackError(`cannot open the access log ${file} (${code})`, {
      code: 'access-log',
      source: 'host',
      hint: `${REMEDIES[code ?? ''] ?? 'make it writable for the relay'}, or change relay.access_log.file`,
      cause,
    });
  }
}

/** The relay works without it, so a directory that is not ours is only worth a warning. */
async function openSocket(relay: Relay, view: RelayView) {
  // systemd names the directory that is the service's own (systemd.exec(5)).
  const directory = process.env.RUNTIME_DIRECTORY?.split(':')[0] ?? RELAY_SOCKETS[0];
  try {
    return await startControlSocket(directory, { ...relay, state: view.state });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    say(
      `warning: no socket in ${directory} (${code}): sidetrack connections, close and top cannot reach this relay`,
    );
    return undefined;
  }
}
