/** What every command shares: options, where the configuration is, how a failure ends. */
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import type { Deployment } from '../apply/deployment.js';
import type { Config } from '../config/config.js';
import { SidetrackError } from '../error.js';
import { closeAll } from '../hosts/open.js';
import { EXIT_FAILED, EXIT_OK, reportError } from './output.js';
import { version } from './package.js';

export interface CommonOptions {
  config?: string;
  json?: boolean;
  /** 2 means changes; then no error may be 2. */
  detailedExitcode?: boolean;
}

export interface HostOptions extends CommonOptions {
  only?: string;
  /** True where no file is named. */
  install?: string | true;
  /** Absent: those that are persisted already stay so. */
  persist?: boolean;
}

const DEFAULT_FILES = ['sidetrack.yaml', '/etc/sidetrack/sidetrack.yaml'];

/** A subcommand whose help starts with examples. */
export function command(name: string, description: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  ${example}`).join('\n');
  const made = new Command(name)
    .description(description)
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .showHelpAfterError('(add --help for examples and options)')
    .addHelpText('before', `Examples:\n${lines}\n`);
  EXAMPLES.set(made, examples);
  return made;
}

/** Commander keeps no text that it only prints. */
const EXAMPLES = new WeakMap<Command, readonly string[]>();

/** Those that its help starts with. */
export const examplesOf = (command: Command): readonly string[] => EXAMPLES.get(command) ?? [];

const DEFAULTS = `(default: ${DEFAULT_FILES.join(', else ')})`;

export function withConfig(target: Command): Command {
  return target.option('-c, --config <file>', `configuration, - for standard input ${DEFAULTS}`);
}

/** Where `configFile` asks for it. */
export function withConfigFile(target: Command): Command {
  return target.option('-c, --config <file>', `configuration ${DEFAULTS}`);
}

export function withHosts(target: Command): Command {
  return withConfig(target).option(
    '--only <host>',
    'act on this host alone: router, or a server by name',
  );
}

/** For what may install the relay on a server. */
export function withInstall(target: Command): Command {
  return target.option(
    '--install [deb]',
    'install the relay on servers, or a new version of it (default: what `make package` built here)',
  );
}

/** For what may have a host brought back at boot. */
export function withPersist(target: Command): Command {
  return target
    .option(
      '--persist',
      'bring everything back after a reboot, and keep it as it is (default: ask on a terminal; a host that is persisted stays so)',
    )
    .option('--no-persist', 'and remove what does so; docs/persist.md says what that is');
}

export function withJson(target: Command): Command {
  return target.option('--json', 'print data for programs');
}

export function configPath({ config }: CommonOptions): string {
  return config ?? DEFAULT_FILES.find((file) => existsSync(file)) ?? DEFAULT_FILES[0]!;
}

/** For what reads its configuration again later, or names it to others. */
export function configFile(options: CommonOptions): string {
  const path = configPath(options);
  if (path !== '-') return path;
  throw new SidetrackError('the configuration must be a file here: it is read again later', {
    code: 'config-not-a-file',
    source: 'user',
    hint: 'write it to a file and name that with --config',
  });
}

interface DeploymentOptions {
  missesServers?: boolean;
  /** Lists that have no copy yet are fetched. */
  fetches?: boolean;
  /** Nothing is compared with the lists. */
  withoutLists?: boolean;
}

export async function loadDeployment(
  options: HostOptions & DeploymentOptions,
): Promise<{ config: Config; deployment: Deployment }> {
  // Not before it is needed: commands without a configuration start in half the time.
  const [{ loadConfig }, { compilePolicy }, { relayGuardWarnings }, { openDeployment }] =
    await Promise.all([
      import('../config/load.js'),
      import('../policy/compile.js'),
      import('../policy/relay-guard.js'),
      import('../apply/deployment.js'),
    ]);
  const config = await loadConfig(configPath(options), {
    ...(options.fetches && { obtain: (await import('./lists/obtain.js')).obtainList }),
    ...(options.withoutLists && { withoutLists: true }),
  });
  config.warnings.push(...relayGuardWarnings(config));
  const offer = {
    version: version(),
    ...(options.install !== undefined && {
      package: await (await import('./relay-package.js')).readRelayPackage(options.install),
    }),
  };
  const deployment = await openDeployment(config, compilePolicy(config), {
    only: options.only,
    persist: options.persist,
    offer,
    ...(options.missesServers && { missesServers: true }),
  });
  return { config, deployment };
}

/** Wraps a command's work: its return value or its error becomes the exit code. */
export function action<Args extends unknown[], Options extends CommonOptions>(
  work: (options: Options, ...args: Args) => Promise<number | undefined>,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    // commander passes the arguments, then the options, then the command.
    const options = all.at(-2) as Options;
    const args = all.slice(0, -2) as Args;
    try {
      process.exitCode = (await work(options, ...args)) ?? EXIT_OK;
    } catch (error) {
      const status = reportError(error, options.json ?? false);
      process.exitCode = options.detailedExitcode ? EXIT_FAILED : status;
    } finally {
      await closeAll();
    }
  };
}
