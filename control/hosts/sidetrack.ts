/** Our own package, and how this machine starts our own command line: what a step runs that needs the eBPF loader. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const OWN_COMMAND: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL('../cli/main.js', import.meta.url)),
];

/** The same on a machine behind ssh. */
export const FAR_COMMAND: readonly string[] = ['sidetrack'];

/**
 * Path of a file at the package's root, which lies two levels above the source and three above
 * the compiled file.
 */
export function packageFile(name: string): string {
  const above = (levels: string) => fileURLToPath(new URL(`${levels}${name}`, import.meta.url));
  const source = above('../../');
  return existsSync(source) ? source : above('../../../');
}

export function version(): string {
  const text = readFileSync(packageFile('package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
