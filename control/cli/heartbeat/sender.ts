/** Sends heartbeats from the server's address, by a socket for each reason: the port tells it, too. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import {
  HEARTBEAT_SOURCE_PORT,
  type HeartbeatReason,
  reasonNumber,
} from '../../../bpf/server-health.js';
import type { HeartbeatFile } from '../../heartbeat/key-file.js';
import { say } from '../output.js';

export interface HeartbeatSender {
  send(file: HeartbeatFile, reason: HeartbeatReason, payload: Buffer): void;
  close(): void;
}

/** What nobody hears is told once, and that it is heard again. */
export function heartbeatSender(): HeartbeatSender {
  let open: OpenSocket | undefined;
  let failing: string | undefined;
  const told = (text: string, failure: string | undefined) => {
    if (failure === failing) return;
    if (failure !== undefined) say(`warning: heartbeats do not leave for ${text} (${failure})`);
    else say(`heartbeats leave for ${text} again`);
    failing = failure;
  };
  const close = () => {
    open?.close();
    open = undefined;
  };
  return {
    send(file, reason, payload) {
      if (open === undefined || open.isLost || !open.isFor(file, reason)) {
        close();
        open = openSocket(file.from, reason);
      }
      for (const { address, port } of file.to)
        open.send(payload, address, port, (failure) => told(address, failure));
    },
    close,
  };
}

interface OpenSocket {
  /** It cannot be used any more. */
  readonly isLost: boolean;
  isFor(file: HeartbeatFile, reason: HeartbeatReason): boolean;
  send(payload: Buffer, address: string, port: number, done: (failure?: string) => void): void;
  close(): void;
}

/** Another port where that of the reason is taken: then only the payload tells it. */
function openSocket(from: string, reason: HeartbeatReason): OpenSocket {
  let isLost = false;
  let isClosed = false;
  let socket = bound(HEARTBEAT_SOURCE_PORT + reasonNumber(reason), anyPort);
  function anyPort() {
    if (!isClosed)
      socket = bound(0, () => {
        isLost = true;
      });
  }
  function bound(port: number, failed: () => void): Socket {
    // The port of a reason may still be the predecessor's.
    const made = createSocket({ type: isIPv6(from) ? 'udp6' : 'udp4', reuseAddr: port !== 0 });
    made.unref();
    // Once it is bound, an error is of one datagram (ICMP): the next may arrive.
    let isBound = false;
    made.once('listening', () => {
      isBound = true;
    });
    made.on('error', () => {
      if (isBound) return;
      quietly(() => made.close());
      failed();
    });
    quietly(() => made.bind({ address: from, port, exclusive: true }));
    return made;
  }
  return {
    get isLost() {
      return isLost;
    },
    isFor: (file, other) => file.from === from && other === reason,
    send(payload, address, port, done) {
      try {
        socket.send(payload, port, address, (error) =>
          done(error === null ? undefined : ((error as NodeJS.ErrnoException).code ?? 'error')),
        );
      } catch (error) {
        isLost = true;
        done((error as NodeJS.ErrnoException).code ?? 'error');
      }
    },
    close() {
      isClosed = true;
      quietly(() => socket.close());
    },
  };
}

function quietly(act: () => void): void {
  try {
    act();
  } catch {
    // It was closed before.
  }
}
