/** The way to a host behind ssh: one connection, with one shell that scripts are sent to. */
import { explained } from '../command/answer.js';
import { scriptLine } from '../command/batch.js';
import type { Command, RunResult } from '../command/command.js';
import type { HostRef } from '../command/explain.js';
import { explainSsh } from '../command/explain-ssh.js';
import { SidetrackError } from '../error.js';
import { lostError } from './batch.js';
import type { Transport } from './host.js';
import { lockedSession } from './locked-session.js';
import { forget, keepOpen } from './open.js';
import { type SendOptions, Shell, ShellLost } from './shell.js';
import { FAR_COMMAND } from './sidetrack.js';
import { farProgram, farShell, type SshLocation, sshCommand } from './ssh-command.js';

/** ssh's own status; others are the far shell's. */
const SSH_FAILED = 255;

/** From the first script until the shell says that it has begun with it: key exchange, login, profile. */
const START_MS = 30_000;

export function sshTransport(address: string, location: SshLocation): Transport {
  const host: HostRef = { address, sidetrack: FAR_COMMAND };
  const way = new Way(host, location);
  const transport: Transport = {
    ...host,
    remote: true,
    wrap: (argv) => sshCommand(location, farProgram(argv, location.user)),
    shell: () => sshCommand(location, farShell()),
    run: async (command, limits) => {
      const [result] = await way.send([command], [scriptLine(command)], { ...limits });
      return result!;
    },
    batch: (commands, options = {}) => way.ask(commands, options),
    session: async (lock, questions = []) => {
      const session = await lockedSession(host, lock, questions, {
        send: (commands, lines, options) => way.send(commands, lines, options),
        end: async () => way.release(),
      });
      way.hold();
      return session;
    },
    fresh: () => sshTransport(address, location),
    close: () => way.close(),
    get roundTrips() {
      return way.roundTrips;
    },
  };
  return transport;
}

/** Whose keys and known hosts ssh has, then, people forget. */
const BY_SUDO = process.env.SUDO_USER !== undefined;

/** A connection, which opens when it is used, and anew where nothing is lost with the old one. */
class Way {
  roundTrips = 0;
  #shell: Shell | undefined;
  /** The shell has the lock: another one would not. */
  #holds = false;
  readonly #host: HostRef;
  readonly #location: SshLocation;

  constructor(host: HostRef, location: SshLocation) {
    this.#host = host;
    this.#location = location;
  }

  hold(): void {
    this.#holds = true;
  }

  release(): void {
    this.#holds = false;
  }

  /** For what may be run twice. */
  async ask(commands: readonly Command[], options: SendOptions): Promise<RunResult[]> {
    if (commands.length === 0) return [];
    const lines = commands.map(scriptLine);
    const wasOpen = this.#shell !== undefined;
    try {
      return await this.#send(lines, options);
    } catch (error) {
      if (!(error instanceof ShellLost) || this.#holds || !isBroken(error, wasOpen))
        throw this.#explained(commands, error);
    }
    return this.send(commands, lines, options);
  }

  /** Once. */
  async send(
    commands: readonly Command[],
    lines: readonly string[],
    options: SendOptions,
  ): Promise<RunResult[]> {
    try {
      return await this.#send(lines, options);
    } catch (error) {
      throw this.#explained(commands, error);
    }
  }

  async close(): Promise<void> {
    const shell = this.#shell;
    // Who needs the way meanwhile opens another.
    this.#shell = undefined;
    await shell?.close();
    if (this.#shell === undefined) forget(this);
  }

  async #send(lines: readonly string[], options: SendOptions): Promise<RunResult[]> {
    const shell = this.#opened();
    const results = await shell.send(lines, {
      ...options,
      ...(shell.answers === 0 && { startMs: START_MS }),
    });
    this.roundTrips++;
    return results;
  }

  #opened(): Shell {
    if (this.#shell?.alive) return this.#shell;
    if (this.#holds)
      throw new SidetrackError(
        `${this.#host.address}: the connection is lost, and the lock with it`,
        {
          code: 'connection-lost',
          source: 'host',
          hint: 'look at what state it left: sidetrack status',
        },
      );
    this.#shell = new Shell(sshCommand(this.#location, farShell()));
    keepOpen(this);
    return this.#shell;
  }

  #explained(commands: readonly Command[], error: unknown): unknown {
    if (!(error instanceof ShellLost)) return error;
    const { reason, end } = error;
    if (reason !== 'ended' || (end.started && end.status !== SSH_FAILED))
      return lostError(this.#host, commands, error);
    return explained(
      explainSsh({ address: this.#host.address, bySudo: BY_SUDO, ...end }),
      end.stderr,
    );
  }
}

/** Nobody closed it, and it had worked: an old connection, or one that broke over this script. */
const isBroken = ({ reason, end }: ShellLost, wasOpen: boolean): boolean =>
  reason === 'ended' && (wasOpen || end.started);
