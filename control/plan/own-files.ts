/** Files that sidetrack writes on a host outside the directory of its state. */
import { TABLE_NAME_FILE } from './paths.js';
import type { DesiredFile } from './state.js';
import type { Optional } from './step.js';

export interface OwnFile {
  path: string;
  /** Present where no packet depends on the file. */
  optional?: Optional;
}

/** All that a host is asked for, so that what an earlier apply wrote is found again. */
export const OWN_FILES: readonly OwnFile[] = [
  {
    path: TABLE_NAME_FILE,
    optional: {
      setting: ['router', 'table', 'name'],
      hint: 'ip route show table takes the number of the table, too',
    },
  },
];

/** Makes `ip route show table NAME` work. */
export function tableNameFile(...tables: readonly { id: number; name: string }[]): DesiredFile {
  const lines = tables.map(({ id, name }) => `${id}\t${name}\n`).join('');
  return {
    path: TABLE_NAME_FILE,
    content: `# Written by sidetrack; \`sidetrack down\` removes it.\n${lines}`,
    mode: 0o644,
    title: tables.map(({ id, name }) => `name table ${id} "${name}"`).join(', '),
  };
}
