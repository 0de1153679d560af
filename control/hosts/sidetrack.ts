/** How this machine starts our own command line: what a step runs that needs the eBPF loader. */
import { fileURLToPath } from 'node:url';

export const OWN_COMMAND: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL('../cli/main.js', import.meta.url)),
];
