import { existsSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { glanceAt, observeHost } from '../../apply/observe.js';
import { parseHostAddress } from '../../config/host-address.js';
import { SidetrackError } from '../../error.js';
import { connect } from '../../hosts/connect.js';
import type { Host } from '../../hosts/host.js';
import {
  detectStarter,
  isInLanOf,
  isSameMachine,
  looksLikeRouter,
  type Neighbourhood,
  openGuesses,
  type Starter,
} from '../../plan/detect.js';
import { starterYaml } from '../../plan/starter-yaml.js';
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
    'sidetrack init ssh://root@192.168.1.1                 # on the server: looks at the router, and at this machine',
    'sidetrack init ssh://root@192.168.1.1 --server ssh://root@192.168.1.2',
    'sudo sidetrack init                                   # on the router or on the server',
    'sidetrack init --output - | less',
  ])
    .argument('[router]', 'where the router is: local, netns://name, ssh://user@host[:port]')
    .option('--router <host>', 'the same')
    .option('--server <host>', 'where the server is, in the same words')
    .option('-o, --output <file>', 'file to write, - for standard output', 'sidetrack.yaml')
    .option('--force', 'replace an existing file')
    .action(action(runInit));
}

async function runInit(options: InitOptions, named?: string): Promise<undefined> {
  if (!options.force && options.output !== '-') refuseExisting(options.output);
  const { starter, notes } = await detect(options.server, routerOf(options, named));
  const text = starterYaml(starter, packageFile('sidetrack.schema.json'));
  if (options.output === '-') {
    print(text.trimEnd());
    return;
  }
  writeNew(options.output, text, options.force ?? false);
  print(`Wrote ${options.output}.`);
  for (const note of notes) print(note);
  const open = openGuesses(starter).length;
  if (open > 0) print(`${count(open, 'value')} could not be seen for certain; look for CHECK.`);
  print(
    `Next: sidetrack check${options.output === 'sidetrack.yaml' ? '' : ` -c ${options.output}`}`,
  );
}

function routerOf({ router }: InitOptions, named: string | undefined): string | undefined {
  if (router === undefined || named === undefined || router === named) return router ?? named;
  throw new SidetrackError(`two routers: ${named} and ${router}`, {
    code: 'router-twice',
    source: 'user',
    hint: 'name the router once; the other machine is --server',
  });
}

interface Found {
  starter: Starter;
  /** What to say of it. */
  notes: string[];
}

async function detect(server: string | undefined, router: string | undefined): Promise<Found> {
  if (router === undefined && server === undefined) {
    const here = await look('local');
    const starter = looksLikeRouter(here)
      ? detectStarter(here, undefined)
      : detectStarter(undefined, here);
    return { starter, notes: [] };
  }
  const [routerSeen, serverSeen] = await Promise.all([
    router === undefined ? undefined : look(router),
    server === undefined ? undefined : look(server),
  ]);
  if (routerSeen && serverSeen && isSameMachine(routerSeen, serverSeen))
    throw new SidetrackError(`${router} and ${server} are the same machine`, {
      code: 'same-host',
      source: 'user',
      hint: 'name another machine of the LAN with --server',
    });
  if (routerSeen && server === undefined && routerSeen.address.startsWith('ssh://'))
    return besideThisMachine(routerSeen);
  return { starter: detectStarter(routerSeen, serverSeen), notes: [] };
}

const SERVER_PLACE = 'ssh://root@192.168.1.2';

/** Without a server named: this machine, if it can be. */
async function besideThisMachine(router: ObservedHost): Promise<Found> {
  const here = await glanceAt(await hostAt('local'));
  if (isInLanOf(router, here)) return { starter: takenForServer(router, here), notes: [] };
  const starter = detectStarter(router, undefined);
  const check = 'the machine of that LAN which takes the traffic; or look at it with init --server';
  const why = isSameMachine(router, here)
    ? 'This machine is the router itself'
    : "This machine is in no LAN of the router's";
  return {
    starter: { ...starter, serverHost: { value: SERVER_PLACE, check } },
    notes: [`${why}, so it is not taken for the server; name that one with --server.`],
  };
}

function takenForServer(router: ObservedHost, here: Neighbourhood): Starter {
  const starter = detectStarter(router, here);
  const check = 'this machine is taken for the server; another one: ssh://user@host';
  return { ...starter, serverHost: { ...starter.serverHost, check } };
}

const look = async (address: string): Promise<ObservedHost> => observeHost(await hostAt(address));

async function hostAt(address: string): Promise<Host> {
  const location = parseHostAddress(address);
  if ('message' in location)
    throw new SidetrackError(location.message, {
      code: 'host-address',
      source: 'user',
      ...(location.hint && { hint: location.hint }),
    });
  return connect(location);
}

/** Before hosts are asked, which may take a while. */
function refuseExisting(path: string): void {
  if (existsSync(path)) throw fileExists(path);
}

const fileExists = (path: string, cause?: unknown) =>
  new SidetrackError(`${path} exists already`, {
    code: 'file-exists',
    source: 'user',
    hint: 'write elsewhere with --output FILE, or replace it with --force',
    cause,
  });

function writeNew(path: string, text: string, force: boolean): void {
  try {
    writeFileSync(path, text, { flag: force ? 'w' : 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw fileExists(path, cause);
    throw new SidetrackError(`cannot write ${path}: ${(cause as Error).message}`, {
      code: 'file-unwritable',
      source: 'user',
      hint: 'choose another --output',
      cause,
    });
  }
}
