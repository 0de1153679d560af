/** The command tree. `main.ts` runs it, `reference.ts` documents it. */
import { Command } from 'commander';
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
import { version } from './package.js';

const EXAMPLES = `Examples:
  sidetrack init                 # write sidetrack.yaml for this network
  sidetrack check                # find mistakes in it
  sidetrack plan                 # see what would change
  sudo sidetrack apply           # change it
  sudo sidetrack relay           # on the server: relay what is steered here
  sudo sidetrack down            # take everything back
`;

export function buildProgram(): Command {
  const program = new Command('sidetrack')
    .description('Hand chosen traffic from a router to a server that needs SO_ORIGINAL_DST')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for examples and options)')
    .addHelpText('before', EXAMPLES);
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
