import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { observeHost } from '../../apply/observe.js';
import { parseHostAddress } from '../../config/host-address.js';
import { SidetrackError } from '../../error.js';
import { connect } from '../../hosts/connect.js';
import { detectStarter, looksLikeRouter, type Starter, starterYaml } from '../../plan/detect.js';
import type { ObservedHost } from '../../plan/state.js';
import { action, type CommonOptions, command } from '../context.js';
import { count } from '../count.js';
import { print } from '../output.js';
import { packageFile } from '../package.js';

interface InitOptions extends CommonOptions {
  router?: string;
  server?: string;
  output: string;
  force?: boolean;
}

export function initCommand(): Command {
  return command('init', 'Look at the hosts and write a commented starter configuration', [
    'sudo sidetrack init                                   # on the router or on the server',
    'sidetrack init --router netns://router --server netns://server1',
    'sidetrack init --output - | less',
  ])
    .option('--router <host>', 'where the router is: local, netns://name')
    .option('--server <host>', 'where the server is: local, netns://name')
    .option('-o, --output <file>', 'file to write, - for standard output', 'sidetrack.yaml')
    .option('--force', 'replace an existing file')
    .action(action(runInit));
}

async function runInit(options: InitOptions): Promise<undefined> {
  const starter = await detect(options);
  const text = starterYaml(starter, packageFile('sidetrack.schema.json'));
  if (options.output === '-') {
    print(text.trimEnd());
    return;
  }
  writeNew(options.output, text, options.force ?? false);
  print(`Wrote ${options.output}.`);
  const open = [starter.interfaces, starter.serverInterface, starter.serverAddresses].filter(
    ({ check }) => check !== undefined,
  );
  const guesses = count(open.length, 'value');
  if (open.length > 0) print(`${guesses} could not be seen for certain; look for CHECK.`);
  print(
    `Next: sidetrack check${options.output === 'sidetrack.yaml' ? '' : ` -c ${options.output}`}`,
  );
}

async function detect({ router, server }: InitOptions): Promise<Starter> {
  if (router === undefined && server === undefined) {
    const here = await look('local');
    return looksLikeRouter(here) ? detectStarter(here, undefined) : detectStarter(undefined, here);
  }
  const [routerSeen, serverSeen] = await Promise.all([
    router === undefined ? undefined : look(router),
    server === undefined ? undefined : look(server),
  ]);
  return detectStarter(routerSeen, serverSeen);
}

async function look(address: string): Promise<ObservedHost> {
  const location = parseHostAddress(address);
  if ('message' in location)
    throw new SidetrackError(location.message, {
      code: 'host-address',
      source: 'user',
      ...(location.hint && { hint: location.hint }),
    });
  return observeHost(await connect(location));
}

function writeNew(path: string, text: string, force: boolean): void {
  try {
    writeFileSync(path, text, { flag: force ? 'w' : 'wx' });
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw new SidetrackError(
      exists ? `${path} exists already` : `cannot write ${path}: ${(cause as Error).message}`,
      {
        code: exists ? 'file-exists' : 'file-unwritable',
        source: 'user',
        hint: exists
          ? 'write elsewhere with --output FILE, or replace it with --force'
          : 'choose another --output',
        cause,
      },
    );
  }
}
