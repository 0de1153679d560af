/** Ways to hosts whose programs are processes of this machine. */
import { runBatch } from './batch.js';
import type { Transport } from './host.js';
import { runProcess, runRaw } from './process.js';
import { startProgram } from './running-program.js';
import { OWN_COMMAND } from './sidetrack.js';

/** To the machine that sidetrack itself runs on, or the network namespace that it was started in. */
export const ownTransport = (address: string): Transport =>
  processTransport(address, (argv) => [...argv]);

/** To a named network namespace of this machine, as `ip netns add` makes them. */
export const netnsTransport = (address: string, name: string): Transport =>
  processTransport(address, (argv) => inNamespace(name, argv));

/**
 * nsenter(1) instead of `ip netns exec`: it leaves the mount namespace alone, so it is faster and
 * works inside a user namespace, where a second sysfs may not be mounted.
 */
export const inNamespace = (name: string, argv: readonly string[]): string[] => [
  'nsenter',
  `--net=/run/netns/${name}`,
  '--',
  ...argv,
];

function processTransport(address: string, wrap: Transport['wrap']): Transport {
  const ref = { address, sidetrack: OWN_COMMAND };
  return {
    ...ref,
    wrap,
    run: ({ argv, stdin }, limits) =>
      runProcess(wrap(argv), { ...limits, ...(stdin !== undefined && { stdin }) }),
    batch: (commands) => runBatch(ref, commands, (argv, stdin) => runRaw(wrap(argv), { stdin })),
    start: ({ argv }) => startProgram(wrap(argv)),
  };
}
