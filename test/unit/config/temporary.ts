/** A folder with configuration files that lives as long as one test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Config } from '../../../control/config/config.js';
import { ConfigError, formatDiagnostic } from '../../../control/config/diagnostic.js';
import { loadConfig } from '../../../control/config/load.js';

/** The least that is valid; rules and sets go below it. */
export const MINIMAL = `router:
  host: local
  interfaces: [br-lan]
servers:
  - host: local
    interface: eth0
    address: 192.168.1.2
`;

/** Writes files to a fresh folder and gives back its path. */
export async function folderOf(files: Record<string, string | Buffer>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sidetrack-config-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

export async function load(yaml: string, files: Record<string, string> = {}): Promise<Config> {
  const folder = await folderOf({ 'sidetrack.yaml': yaml, ...files });
  return loadConfig(join(folder, 'sidetrack.yaml'));
}

/** Every diagnostic of a configuration that must be wrong, with paths cut to the file name. */
export async function errorsOf(
  yaml: string,
  files: Record<string, string> = {},
): Promise<string[]> {
  const folder = await folderOf({ 'sidetrack.yaml': yaml, ...files });
  try {
    await loadConfig(join(folder, 'sidetrack.yaml'));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.diagnostics.map(formatDiagnostic);
    if (error.message !== lines.join('\n')) throw new Error('the message is not the diagnostics');
    return lines.map((line) => line.replaceAll(`${folder}/`, ''));
  }
  throw new Error('the configuration is valid');
}

/** The warnings of a configuration, in the same form. */
export function warningsOf(config: Config): string[] {
  return config.warnings.map((warning) => formatDiagnostic(warning).replace(/^.*\//, ''));
}
