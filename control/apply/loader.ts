/** What attaches the eBPF classifier on a host: sidetrack itself. Here is what a far machine lacks for it. */
import type { Config } from '../config/config.js';
import { type Diagnostic, diagnosticAt } from '../config/diagnostic.js';
import type { Host } from '../hosts/host.js';
import { version } from '../hosts/sidetrack.js';
import { ROUTER } from './macs.js';

export const needsLoader = ({ router }: Config, name: string): boolean =>
  name === ROUTER && router.classifier === 'ebpf';

/** This machine's own is there, and of its own version. */
export function loaderProblems(
  config: Config,
  name: string,
  { address, remote, loader }: Pick<Host, 'address' | 'remote' | 'loader'>,
): Diagnostic[] {
  const own = version();
  if (!remote || !needsLoader(config, name) || loader === own) return [];
  const position = config.positionOf(['router', 'classifier']);
  if (loader === undefined)
    return [
      diagnosticAt(position, {
        message: `classifier: ebpf is loaded by sidetrack on the router, and ${address} has none`,
        hint: `install sidetrack ${own} and Node.js there, or write classifier: nftables, which needs neither`,
      }),
    ];
  return [
    diagnosticAt(position, {
      message: `classifier: ebpf is loaded by sidetrack on the router, and ${address} has one ${loader}; this is ${own}`,
      hint: `install sidetrack ${own} there, or write classifier: nftables`,
    }),
  ];
}
