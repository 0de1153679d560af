/**
 * What the relay tells systemd, or another program that set NOTIFY_SOCKET: sd_notify(3), sd_watchdog_enabled(3) and
 * the fd store. Without NOTIFY_SOCKET nothing happens.
 */
import { notifyManager } from '../../../proxy/notify.js';
import type { DrainSeconds } from '../../config/config.js';
import { say } from '../output.js';
import { socketName } from './sockets.js';

/** What ending takes beyond the drain. */
const STOP_MARGIN_SECONDS = 10;
/** A year: there is no word for "infinity" here. */
const FOREVER_SECONDS = 365 * 24 * 3600;
const US_PER_SECOND = 1_000_000;

export interface Service {
  /** The program that started us wants to hear of us. */
  readonly isManaged: boolean;
  ready(status: string): void;
  /** A line for `systemctl status`. */
  status(text: string): void;
  /** Before a reload; `ready()` follows in any case. */
  reloading(): void;
  /** Before a drain of so many seconds. */
  stopping(drainSeconds: DrainSeconds): void;
  /** Has the manager keep the listening sockets for the next start, and forget so many older ones. */
  store(sockets: readonly number[], outdated: number): void;
  /** Has `pid` take our place; what we say from then on is not listened to. */
  replacedBy(pid: number): void;
  /** Reports as often as the manager wants it, while `isAlive()`. */
  watch(isAlive: () => boolean): void;
}

type Fields = Parameters<typeof notifyManager>[1];

export function openService(env: NodeJS.ProcessEnv = process.env): Service {
  const send = sender(env.NOTIFY_SOCKET);
  let watchdog: NodeJS.Timeout | undefined;
  return {
    isManaged: Boolean(env.NOTIFY_SOCKET),
    ready: (status) => send({ READY: 1, STATUS: status }),
    status: (text) => send({ STATUS: text }),
    reloading: () => send({ RELOADING: 1, MONOTONIC_USEC: process.hrtime.bigint() / 1000n }),
    stopping: (drainSeconds) =>
      send({
        STOPPING: 1,
        STATUS: 'letting connections finish',
        EXTEND_TIMEOUT_USEC:
          ((drainSeconds === 'unlimited' ? FOREVER_SECONDS : drainSeconds) + STOP_MARGIN_SECONDS) *
          US_PER_SECOND,
      }),
    store: (sockets, outdated) => {
      for (let i = 0; i < outdated; i++) send({ FDSTOREREMOVE: 1, FDNAME: socketName(i) });
      // One that it has already is not stored twice.
      // Not polled: one that refuses newcomers for a while would look dead, and be dropped.
      for (const [i, fd] of sockets.entries())
        send({ FDSTORE: 1, FDPOLL: 0, FDNAME: socketName(i) }, fd);
    },
    replacedBy: (pid) => {
      clearInterval(watchdog);
      send({ MAINPID: pid });
    },
    watch: (isAlive) => {
      const interval = watchdogInterval(env);
      if (interval === undefined) return;
      const report = () => {
        if (isAlive()) send({ WATCHDOG: 1 });
      };
      report();
      watchdog = setInterval(report, interval).unref();
    },
  };
}

function sender(socket: string | undefined): (fields: Fields, fd?: number) => void {
  let complained = false;
  return (fields, fd) => {
    const failure = socket ? notifyManager(socket, fields, fd) : undefined;
    if (failure === undefined || complained) return;
    complained = true;
    say(`the service manager at ${socket} does not hear us: ${failure}`);
  };
}

/** Milliseconds: half of what the manager waits; undefined when it does not wait for us. */
function watchdogInterval(env: NodeJS.ProcessEnv): number | undefined {
  const us = Number(env.WATCHDOG_USEC);
  const isOurs = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(process.pid);
  return isOurs && us > 0 ? us / 2000 : undefined;
}
