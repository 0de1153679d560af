#!/usr/bin/env node
import { type Command, CommanderError } from 'commander';
import { EXIT_FAILED, EXIT_USAGE, reportError } from './output.js';
import { buildProgram } from './program.js';
import { outliveReaders } from './streams.js';

/** Commander ends the process with 1 on wrong usage; ours is 2, and only help and version are 0. */
async function main(): Promise<void> {
  try {
    const program = await buildProgram(process.argv[2]);
    forEachCommand(program, (one) => one.exitOverride());
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) process.exitCode = reportError(error, false);
    else process.exitCode = error.exitCode === 0 ? 0 : usageStatus();
  }
}

/** With that option 2 says that there are changes, and the line that is wrong may have it. */
function usageStatus(): number {
  return process.argv.includes('--detailed-exitcode') ? EXIT_FAILED : EXIT_USAGE;
}

function forEachCommand(program: Command, visit: (one: Command) => void): void {
  visit(program);
  for (const child of program.commands) forEachCommand(child, visit);
}

outliveReaders();
await main();
