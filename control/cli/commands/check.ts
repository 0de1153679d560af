import type { Command } from 'commander';
import { familyNotes } from '../../config/family-note.js';
import { loadConfig } from '../../config/load.js';
import { relayGuardWarnings } from '../../policy/relay-guard.js';
import {
  action,
  type CommonOptions,
  command,
  configPath,
  withConfig,
  withJson,
} from '../context.js';
import { count } from '../count.js';
import { print, printJson, printNotes, printWarnings } from '../output.js';

export function checkCommand(): Command {
  const check = command('check', 'Read the configuration and report every mistake in it', [
    'sidetrack check',
    'sidetrack check --config lab.yaml --json',
  ]);
  return withJson(withConfig(check)).action(action(runCheck));
}

async function runCheck(options: CommonOptions): Promise<undefined> {
  const config = await loadConfig(configPath(options));
  const notes = familyNotes(config);
  config.warnings.push(...relayGuardWarnings(config));
  printWarnings(config.warnings);
  const sets = Object.entries(config.sets).map(([name, { entries }]) => ({
    name,
    entries: entries.length,
  }));
  if (options.json) {
    const { file, rules, warnings } = config;
    printJson({ file, rules: rules.length, sets, warnings, notes });
    return;
  }
  const described = sets
    .map(({ name, entries }) => `${name} (${count(entries, 'entry')})`)
    .join(', ');
  print(
    `${config.file}: no mistakes. ${count(config.rules.length, 'rule')}${described ? `, sets: ${described}` : ''}.`,
  );
  printNotes(notes);
  print('Next: sidetrack plan');
}
