import type { Command } from 'commander';
import { command, withConfig } from '../context.js';
export function relayCommand(): Command {
  return withConfig(command('relay', 'tbd', ['sidetrack relay']));
}
