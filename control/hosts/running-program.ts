/** A program that runs until its input ends, beside what else is run. */
import { spawn } from 'node:child_process';
import type { RunResult } from '../command/command.js';
import { endOf, spawnOptions } from './process.js';

export interface RunningProgram {
  /** Of its standard output; undefined when it ended without one. */
  readonly firstLine: Promise<string | undefined>;
  /** Ends its standard input, and waits for its end. */
  end(): Promise<RunResult>;
}

/** The end of this process ends the input, too. */
export function startProgram(argv: readonly string[]): RunningProgram {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { ...spawnOptions(), stdio: ['pipe', 'pipe', 'pipe'] });
  // It may have ended before we close its input.
  child.stdin.on('error', () => undefined);
  const ended = endOf(child, file);
  // Told where the end is waited for.
  ended.catch(() => undefined);
  const line = new Promise<string | undefined>((resolve) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    const none = () => resolve(undefined);
    ended.then(none, none);
  });
  return {
    firstLine: line,
    end: async () => {
      child.stdin.end();
      const { status, stdout, stderr } = await ended;
      return { status, stdout: `${stdout}`, stderr: `${stderr}` };
    },
  };
}
