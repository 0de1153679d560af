import type { Command } from 'commander';
import pc from 'picocolors';
import { applyDeployment } from '../../apply/deployment.js';
import type { ExecuteOptions } from '../../apply/execute.js';
import {
  action,
  command,
  type HostOptions,
  loadDeployment,
  withHosts,
  withJson,
} from '../context.js';
import { count } from '../count.js';
import { print, printJson, printWarnings, say } from '../output.js';
import { interruptible } from '../signals.js';

export function applyCommand(): Command {
  const apply = command('apply', 'Bring router and server to the configured state', [
    'sidetrack apply',
    'sidetrack apply --only router      # on the router itself',
    'sidetrack apply --only server1     # on the server itself',
  ]);
  return withJson(withHosts(apply)).action(action(runApply));
}

async function runApply(options: HostOptions): Promise<undefined> {
  const { config, deployment } = await loadDeployment(options);
  printWarnings(config.warnings);
  const { hosts, warnings } = await interruptible((signal) =>
    applyDeployment(deployment, { signal, ...progress(options) }),
  );
  const steps = hosts.flatMap((host) => host.steps);
  printWarnings(warnings);
  if (options.json) {
    printJson({
      changed: steps.length > 0,
      steps: steps.map(({ host, title }) => ({ host, title })),
      warnings: [...config.warnings, ...warnings],
    });
    return;
  }
  const names = hosts.map(({ name }) => name).join(' and ');
  if (steps.length === 0)
    print(`Nothing changes: ${names} ${hosts.length > 1 ? 'are' : 'is'} as configured.`);
  else
    print(`${pc.green('Done.')} ${names}: ${count(steps.length, 'step')}. Next: sidetrack status`);
}

/** One line a step on standard error, unless programs are reading. */
export function progress({ json }: HostOptions): ExecuteOptions {
  if (json) return {};
  return { onStep: ({ host, title }) => say(`  ${pc.dim(`${host}:`)} ${title}`) };
}
