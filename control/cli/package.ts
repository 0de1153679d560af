import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

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
