/** Ways to hosts whose programs are processes of this machine. */
import { SHELL_LOOP } from '../command/shell-loop.js';
import { lostError, runBatch } from './batch.js';
import type { Transport } from './host.js';
import { lockedSession } from './locked-session.js';
import { runProcess, runRaw } from './process.js';
import { Shell, ShellLost } from './shell.js';
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

/** To wherever `wrap` leads. */
export function processTransport(address: string, wrap: Transport['wrap']): Transport {
  const ref = { address, sidetrack: OWN_COMMAND };
  let roundTrips = 0;
  const shell = () => wrap(['sh', '-c', SHELL_LOOP, 'sidetrack']);
  return {
    ...ref,
    remote: false,
    wrap,
    shell,
    run: async ({ argv, stdin }, limits) => {
      const result = await runProcess(wrap(argv), {
        ...limits,
        ...(stdin !== undefined && { stdin }),
      });
      roundTrips++;
      return result;
    },
    batch: async (commands, options = {}) => {
      const results = await runBatch(ref, commands, options, (argv, how) =>
        runRaw(wrap(argv), how),
      );
      roundTrips++;
      return results;
    },
    session: async (lock, questions = []) => {
      const own = new Shell(shell());
      return lockedSession(ref, lock, questions, {
        send: async (commands, lines, options) => {
          try {
            const results = await own.send(lines, options);
            roundTrips++;
            return results;
          } catch (error) {
            throw error instanceof ShellLost ? lostError(ref, commands, error) : error;
          }
        },
        end: () => own.close(),
      });
    },
    fresh: () => processTransport(address, wrap),
    close: async () => undefined,
    get roundTrips() {
      return roundTrips;
    },
  };
}
