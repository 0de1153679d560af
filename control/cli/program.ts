/** The command tree. `main.ts` runs it, `reference.ts` documents it. */
import { Command } from 'commander';
import { version } from './package.js';

const EXAMPLES = `Examples:
  sidetrack init ssh://root@192.168.1.1  # look at the router and at this machine, write sidetrack.yaml
  sidetrack check                        # find mistakes in it
  sidetrack plan                         # see what would change
  sudo sidetrack apply                   # change it
  sudo sidetrack relay                   # on the server: relay what is steered here
  sudo sidetrack down                    # take everything back
`;

type Load = (program: Command) => Promise<Command>;

/** In the order of the help. Each is loaded when it is wanted: that is most of the time it takes. */
const COMMANDS: Readonly<Record<string, Load>> = {
  init: async () => (await import('./commands/init.js')).initCommand(),
  check: async () => (await import('./commands/check.js')).checkCommand(),
  plan: async () => (await import('./commands/plan.js')).planCommand(),
  apply: async () => (await import('./commands/apply.js')).applyCommand(),
  confirm: async () => (await import('./commands/confirm.js')).confirmCommand(),
  status: async () => (await import('./commands/status.js')).statusCommand(),
  down: async () => (await import('./commands/down.js')).downCommand(),
  refresh: async () => (await import('./commands/refresh.js')).refreshCommand(),
  drain: async () => (await import('./commands/drain.js')).drainCommand(),
  undrain: async () => (await import('./commands/drain.js')).undrainCommand(),
  relay: async () => (await import('./commands/relay.js')).relayCommand(),
  export: async () => (await import('./commands/export.js')).exportCommand(),
  heartbeat: async () => (await import('./commands/heartbeat.js')).heartbeatCommand(),
  service: async () => (await import('./commands/service.js')).serviceCommand(),
  exporter: async () => (await import('./commands/exporter.js')).exporterCommand(),
  connections: async () => (await import('./commands/connections.js')).connectionsCommand(),
  close: async () => (await import('./commands/connections.js')).closeCommand(),
  top: async () => (await import('./commands/top.js')).topCommand(),
  bpf: async () => (await import('./commands/bpf.js')).bpfCommand(),
  bench: async () => (await import('./commands/bench.js')).benchCommand(),
  lab: async () => (await import('./commands/lab.js')).labCommand(),
  completion: async (program) =>
    (await import('./commands/completion.js')).completionCommand(program),
};

/** The whole tree; of its commands only the one called `word`, if there is one, and none to say the version. */
export async function buildProgram(word?: string): Promise<Command> {
  const program = rootCommand();
  for (const name of neededFor(word)) program.addCommand(await COMMANDS[name]!(program));
  return program;
}

function neededFor(word: string | undefined): string[] {
  if (word === '--version' || word === '-V') return [];
  const single = word !== undefined && word !== 'completion' && Object.hasOwn(COMMANDS, word);
  return single ? [word] : Object.keys(COMMANDS);
}

function rootCommand(): Command {
  return new Command('sidetrack')
    .description('Hand chosen traffic from a router to a server that needs SO_ORIGINAL_DST')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for examples and options)')
    .addHelpText('before', EXAMPLES);
}
