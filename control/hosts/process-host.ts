/** A host whose programs are processes of this machine. */
import { runBatch } from './batch.js';
import type { Host } from './host.js';
import type { HostPaths } from './namespace.js';
import { runProcess, runRaw } from './process.js';
import { startProgram } from './running-program.js';
import { OWN_COMMAND } from './sidetrack.js';

export function processHost(address: string, paths: HostPaths, wrap: Host['wrap']): Host {
  const ref = { address, sidetrack: OWN_COMMAND };
  return {
    ...paths,
    ...ref,
    wrap,
    run: ({ argv, stdin }, limits) =>
      runProcess(wrap(argv), { ...limits, ...(stdin !== undefined && { stdin }) }),
    start: ({ argv }) => startProgram(wrap(argv)),
    batch: (commands) => runBatch(ref, commands, (argv, stdin) => runRaw(wrap(argv), { stdin })),
  };
}
