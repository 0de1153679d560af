import type { Command } from 'commander';
import pc from 'picocolors';
import { labConfig, runDemo } from '../../lab/demo.js';
import {
  DEFAULT_LAB,
  enterNamedLab,
  listLabs,
  startNamedLab,
  stopNamedLab,
} from '../../lab/registry.js';
import { DEFAULT_TOPOLOGY, labServers, MOST_SERVERS, serversOf } from '../../lab/topology.js';
import { action, type CommonOptions, command, withJson } from '../context.js';
import { demoPrinter, TOPOLOGY_PICTURE } from '../demo-output.js';
import { print, printJson, say } from '../output.js';

interface LabOptions extends CommonOptions {
  name: string;
}

interface UpOptions extends LabOptions {
  servers: string;
}

export function labCommand(): Command {
  const lab = command('lab', 'A lab of network namespaces: client, router, server and Internet', [
    'sidetrack lab up',
    'sidetrack lab exec client -- ping -c1 198.51.100.7',
    'sidetrack lab down',
    'sidetrack lab demo',
  ]);
  return lab
    .enablePositionalOptions()
    .addCommand(upCommand())
    .addCommand(configCommand())
    .addCommand(execCommand())
    .addCommand(labStatusCommand())
    .addCommand(labDownCommand())
    .addCommand(demoCommand());
}

function named(target: Command): Command {
  return target.option('--name <name>', 'which lab, when several run', DEFAULT_LAB);
}

function upCommand(): Command {
  const up = command('up', 'Build the lab; it lives until `lab down`', [
    'sidetrack lab up',
    'sidetrack lab up --name second     # labs run side by side',
    'sidetrack lab up --servers 3       # server1 to server3 share the work',
  ]);
  return named(up)
    .option('--servers <number>', `how many servers, 1 to ${MOST_SERVERS}`, '1')
    .action(
      action(async ({ name, servers }: UpOptions) => {
        const count = Number(servers);
        await startNamedLab(name, count);
        print(TOPOLOGY_PICTURE);
        const more = labServers(count).slice(1);
        for (const { name, v4, v6 } of more) print(`  ${name} ${v4}  ${v6}, on br-lan, too`);
        if (more.length > 0) print();
        for (const line of nextSteps(name, count)) print(line);
        return undefined;
      }),
    );
}

/** What a newcomer types next, in an order that works. */
function nextSteps(name: string, servers: number): string[] {
  const option = name === DEFAULT_LAB ? '' : ` --name ${name}`;
  const exec = `sidetrack lab exec${option}`;
  const relay = (server: string) => `sidetrack relay${servers === 1 ? '' : ` --server ${server}`}`;
  return [
    `The lab "${name}" runs. Next:`,
    `  ${exec} client -- ping -c1 198.51.100.7`,
    ...(servers === 1
      ? [`  ${exec} all -- sidetrack init --router netns://router --server netns://server1`]
      : [`  sidetrack lab config${option} > sidetrack.yaml`]),
    ...labServers(servers).map(
      (server) =>
        `  ${exec} ${server.name} -- ${relay(server.name)}     # in a terminal of its own`,
    ),
    `  ${exec} all -- sidetrack apply`,
    `  ${exec} all -- sidetrack status`,
    `  sidetrack lab down${option}`,
  ];
}

function configCommand(): Command {
  const config = command('config', 'Print a configuration that uses every server of the lab', [
    'sidetrack lab config > sidetrack.yaml',
    'sidetrack lab exec all -- sidetrack apply',
  ]);
  return named(config).action(
    action(async ({ name }: LabOptions) => {
      print(labConfig(serversOf(enterNamedLab(name).topology)).trimEnd());
      return undefined;
    }),
  );
}

function execCommand(): Command {
  const exec = command('exec', 'Run a program on a node of the lab', [
    'sidetrack lab exec client -- curl http://198.51.100.7/',
    'sidetrack lab exec router -- nft list ruleset',
    'sidetrack lab exec all -- sidetrack apply     # in the lab, outside of its nodes: there hosts are netns://NAME',
  ]);
  return named(exec)
    .argument(
      '<node>',
      `one of ${DEFAULT_TOPOLOGY.nodes.map(({ name }) => name).join(', ')}, further servers, or all`,
    )
    .argument('<command...>', 'program and arguments')
    .passThroughOptions()
    .action(action(runExec));
}

async function runExec({ name }: LabOptions, node: string, argv: string[]): Promise<number> {
  const lab = enterNamedLab(name);
  // commander hands the `--` through when options of the program follow it.
  const words = argv[0] === '--' ? argv.slice(1) : argv;
  const program = lab.spawn(node === 'all' ? undefined : node, ownCommand(words), {
    stdio: 'inherit',
  });
  // Ctrl-C reaches the program through the terminal; we only wait for it.
  process.on('SIGINT', () => {});
  return (await program.exited) ?? 1;
}

/** `sidetrack` means this very program, whether or not it is on the PATH. */
function ownCommand([first, ...rest]: readonly string[]): string[] {
  if (first === 'sidetrack') return [process.execPath, process.argv[1]!, ...rest];
  return first === undefined ? [] : [first, ...rest];
}

function labStatusCommand(): Command {
  const status = command('status', 'List the labs that run', ['sidetrack lab status']);
  return withJson(status).action(
    action(async ({ json }: CommonOptions) => {
      const { running, elsewhere } = listLabs();
      if (json) printJson({ labs: running, elsewhere });
      else
        print(
          running.length > 0
            ? running.join('\n')
            : pc.dim('no lab runs here; start one: sidetrack lab up'),
        );
      if (elsewhere.length > 0)
        say(
          `started in another PID namespace, and not to be seen from here: ${elsewhere.join(', ')}`,
        );
      return undefined;
    }),
  );
}

function labDownCommand(): Command {
  const down = command('down', 'End the lab and everything in it', ['sidetrack lab down']);
  return named(down).action(
    action(async ({ name }: LabOptions) => {
      stopNamedLab(name);
      print(`The lab "${name}" is gone.`);
      return undefined;
    }),
  );
}

function demoCommand(): Command {
  const demo = command('demo', 'Steer real traffic through a lab and prove it, in under a minute', [
    'sidetrack lab demo',
  ]);
  return demo.action(
    action(async () => {
      await runDemo(demoPrinter());
      return undefined;
    }),
  );
}
