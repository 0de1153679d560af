import type { Command } from 'commander';
import pc from 'picocolors';
import { applyDeployment, type Deployment, planDeployment } from '../../apply/deployment.js';
import { ROUTER } from '../../apply/macs.js';
import type { Config } from '../../config/config.js';
import { SidetrackError } from '../../error.js';
import {
  action,
  type CommonOptions,
  command,
  loadDeployment,
  withConfig,
  withJson,
} from '../context.js';
import { print, printJson, printWarnings } from '../output.js';
import { interruptible } from '../signals.js';
import { progress } from './apply.js';

const SERVER = 'name of a server in the configuration';

export function drainCommand(): Command {
  const drain = command(
    'drain',
    'Give a server no new flows; those that it has go on (for maintenance, or before it leaves the file)',
    ['sidetrack drain server2', 'sidetrack status --only router   # says how it stands'],
  );
  return withJson(withConfig(drain).argument('<server>', SERVER)).action(
    action((options: CommonOptions, server: string) => run(options, server, true)),
  );
}

export function undrainCommand(): Command {
  const undrain = command('undrain', 'Give a drained server new flows again', [
    'sidetrack undrain server2',
  ]);
  return withJson(withConfig(undrain).argument('<server>', SERVER)).action(
    action((options: CommonOptions, server: string) => run(options, server, false)),
  );
}

/** The router alone is changed: a server that is drained may be out of reach. */
async function run(options: CommonOptions, server: string, drained: boolean): Promise<undefined> {
  const { config, deployment } = await loadDeployment({ ...options, only: ROUTER });
  assertServer(config, server);
  printWarnings(config.warnings);
  await assertNothingElse(deployment);
  const { hosts, warnings } = await interruptible((signal) =>
    applyDeployment(
      { ...deployment, drain: { server, drained } },
      { signal, ...progress(options) },
    ),
  );
  printWarnings(warnings);
  const steps = hosts.flatMap((host) => host.steps);
  if (options.json) {
    printJson({
      server,
      drained,
      changed: steps.length > 0,
      steps: steps.map(({ host, title }) => ({ host, title })),
      warnings: [...config.warnings, ...warnings],
    });
    return;
  }
  const now = drained
    ? 'gets no new flows; those that it has go on'
    : 'gets its share of the new flows again';
  print(`${pc.green('Done.')} ${server} ${now}. Next: sidetrack status --only router`);
}

/** A drain is typed in a hurry: it must not bring along what the file has of other changes. */
async function assertNothingElse(deployment: Deployment): Promise<void> {
  const { hosts } = await planDeployment(deployment);
  const pending = hosts.flatMap(({ steps }) => steps);
  if (pending.length === 0) return;
  throw new SidetrackError(
    `the router is not as ${deployment.config.file} has it, and this would change that, too (${pending[0]!.title}${pending.length > 1 ? ', …' : ''})`,
    {
      code: 'drain-pending',
      source: 'user',
      hint: 'run `sidetrack apply` first; `sidetrack plan` shows what it changes',
    },
  );
}

function assertServer({ servers, file }: Config, server: string): void {
  if (servers.some(({ name }) => name === server)) return;
  throw new SidetrackError(`there is no server "${server}" in ${file}`, {
    code: 'no-such-server',
    source: 'user',
    hint: `choose one of ${servers.map(({ name }) => name).join(', ')}`,
  });
}
