import type { Command } from 'commander';
import { completionScript, SHELLS } from '../completion.js';
import { action, command } from '../context.js';
import { print } from '../output.js';

/** @param program the whole tree, for which the script is. */
export function completionCommand(program: Command): Command {
  return command('completion', 'Print a completion script for your shell', [
    'sidetrack completion bash > /etc/bash_completion.d/sidetrack',
    'sidetrack completion zsh > "${fpath[1]}/_sidetrack"',
    'sidetrack completion fish > ~/.config/fish/completions/sidetrack.fish',
  ])
    .argument('<shell>', SHELLS.join(', '))
    .action(
      action(async (_options, shell: string) => {
        print(completionScript(program, shell));
        return undefined;
      }),
    );
}
