/** The command tree. `main.ts` runs it, `reference.ts` documents it. */
import type { Command } from 'commander';
import { applyCommand } from './commands/apply.js';
import { bpfCommand } from './commands/bpf.js';
import { checkCommand } from './commands/check.js';
import { closeCommand, connectionsCommand } from './commands/connections.js';
import { downCommand } from './commands/down.js';
import { initCommand } from './commands/init.js';
import { labCommand } from './commands/lab.js';
import { planCommand } from './commands/plan.js';
import { relayCommand } from './commands/relay.js';
import { serviceCommand } from './commands/service.js';
import { statusCommand } from './commands/status.js';
import { topCommand } from './commands/top.js';
import { completionScript, SHELLS } from './completion.js';
import { action, command } from './context.js';
import { print } from './output.js';
import { rootCommand } from './root.js';

export function buildProgram(): Command {
  const program = rootCommand();
  for (const sub of [
    initCommand(),
    checkCommand(),
    planCommand(),
    applyCommand(),
    statusCommand(),
    downCommand(),
    relayCommand(),
    serviceCommand(),
    connectionsCommand(),
    closeCommand(),
    topCommand(),
    bpfCommand(),
    labCommand(),
    completionCommand(program),
  ])
    program.addCommand(sub);
  return program;
}

function completionCommand(program: Command): Command {
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
