/** What attaches the eBPF classifier on the router. Here is what a far one lacks for it. */
import type { Config } from '../config/config.js';
import { type Diagnostic, diagnosticAt } from '../config/diagnostic.js';
import type { LoaderNeed } from '../hosts/far-loader.js';
import type { Host } from '../hosts/host.js';
import { ROUTER } from './macs.js';

/** Where nftables is to judge, something of before may have to be taken away. */
export const loaderNeed = ({ router }: Config, name: string): LoaderNeed | undefined =>
  name === ROUTER ? (router.classifier === 'ebpf' ? 'attach' : 'look') : undefined;

/** This machine's own is there, and of its own version. */
export function loaderProblems(
  config: Config,
  name: string,
  { address, loader }: Pick<Host, 'address' | 'loader'>,
): Diagnostic[] {
  if (loaderNeed(config, name) !== 'attach' || loader?.kind !== 'none') return [];
  const position = config.positionOf(['router', 'classifier']);
  return [
    diagnosticAt(position, {
      message: `classifier: ebpf is loaded by sidetrack on the router; ${address} ${loader.why}`,
      hint: loader.hint,
    }),
  ];
}
