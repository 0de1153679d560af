#!/usr/bin/env node
import { type Command, CommanderError } from 'commander';
import { EXIT_USAGE } from './output.js';

/** Commander ends the process with 1 on wrong usage; ours is 2, and only help and version are 0. */
async function main(): Promise<void> {
  const program = await programFor(process.argv[2]);
  forEachCommand(program, (one) => one.exitOverride());
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
}

/**
 * The steps of a plan start `sidetrack bpf` several times: without the others it loads in half the time.
 */
async function programFor(word: string | undefined): Promise<Command> {
  if (word !== 'bpf') return (await import('./program.js')).buildProgram();
  const [{ rootCommand }, { bpfCommand }] = await Promise.all([
    import('./root.js'),
    import('./commands/bpf.js'),
  ]);
  return rootCommand().addCommand(bpfCommand());
}

function forEachCommand(program: Command, visit: (one: Command) => void): void {
  visit(program);
  for (const child of program.commands) forEachCommand(child, visit);
}

// A reader that closes the pipe early (head) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

await main();
