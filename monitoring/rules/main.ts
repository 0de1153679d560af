/**
 * Prints the file of rules, with other thresholds where they are set:
 *
 *     node build/monitoring/rules/main.js
 *     node build/monitoring/rules/main.js --set connect_p99_seconds=1 --set list_static='private|office'
 */
import { parseArgs } from 'node:util';
import { DEFAULTS, type Parameters, parametersSchema } from './parameters.js';
import { rulesFile } from './rules.js';

const USAGE = 'usage: node build/monitoring/rules/main.js [--set NAME=VALUE]...';

/** What can be set, and what it is otherwise; docs/alerts.md says what each is. */
function help(): string {
  const values = Object.entries(DEFAULTS).map(([name, value]) => `  ${name}=${value}\n`);
  return `${USAGE}\nPrints the rules for Prometheus. docs/alerts.md explains what can be set:\n${values.join('')}`;
}

/** @throws Error with what to type instead. */
function readParameters(settings: readonly string[]): Parameters {
  const pairs = settings.map((text) => {
    const [name = '', ...value] = text.split('=');
    if (value.length === 0) throw new Error(`--set ${text}: write --set name=value`);
    return [name, value.join('=')];
  });
  const { success, data, error } = parametersSchema.safeParse(Object.fromEntries(pairs));
  if (success) return data;
  const known = Object.keys(parametersSchema.shape).join(', ');
  throw new Error(
    error.issues
      .map(({ code, path, message }) =>
        code === 'unrecognized_keys'
          ? `${message}; there are ${known}`
          : `--set ${path.join('.')}: ${message}`,
      )
      .join('\n'),
  );
}

try {
  const { values } = parseArgs({
    options: {
      set: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  process.stdout.write(values.help ? help() : rulesFile(readParameters(values.set ?? [])));
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
