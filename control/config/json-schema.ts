/**
 * The JSON schema of `sidetrack.yaml`, for editors. Run as a program it writes the file that the
 * repository carries: `node build/control/config/json-schema.js [file]`.
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { configSchema } from './schema.js';

/** Draft 7, which is what the YAML language server reads. */
export function configJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' });
  return {
    $schema,
    title: 'sidetrack.yaml',
    description: 'Which traffic a router diverts, and to which server',
    ...schema,
  };
}

/** JSON as this repository's formatter lays it out: lists of plain values stand in one line. */
function layOut(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const items = value.map((item) => layOut(item, inner));
    if (!items.some((item) => item.includes('\n'))) return `[${items.join(', ')}]`;
    return `[\n${items.map((item) => `${inner}${item}`).join(',\n')}\n${indent}]`;
  }
  const members = Object.entries(value).map(
    ([key, member]) => `${inner}${JSON.stringify(key)}: ${layOut(member, inner)}`,
  );
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`;
}

/** The exact content of `sidetrack.schema.json`. */
export function configJsonSchemaText(): string {
  return `${layOut(configJsonSchema())}\n`;
}

function isProgram(): boolean {
  const [, program] = process.argv;
  return program !== undefined && import.meta.url === pathToFileURL(program).href;
}

if (isProgram()) {
  const file = process.argv[2] ?? 'sidetrack.schema.json';
  writeFileSync(file, configJsonSchemaText());
}
