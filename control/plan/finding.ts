/** What preflight finds, and where the file says it. Pure. */
import type { Config } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import type { Path } from '../config/raw.js';

/** One finding, before the configuration's position is added. */
export interface Finding {
  path: Path;
  message: string;
  hint: string;
}

export function locate(config: Config, findings: readonly Finding[]): Diagnostic[] {
  return findings.map(({ path, message, hint }) => ({
    ...config.positionOf(path),
    message,
    hint,
  }));
}
