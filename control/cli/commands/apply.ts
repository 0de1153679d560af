import { resolve } from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import { applyDeployment } from '../../apply/deployment.js';
import type { ExecuteOptions } from '../../apply/execute.js';
import { mustBe } from '../../apply/saved-plan.js';
import { SidetrackError } from '../../error.js';
import type { SavedPlan } from '../../plan/saved-plan.js';
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
import { readPlanFile } from '../plan-file.js';
import { interruptible } from '../signals.js';

export function applyCommand(): Command {
  const apply = command('apply', 'Bring router and server to the configured state', [
    'sidetrack apply',
    'sidetrack apply plan.json          # what `sidetrack plan -o plan.json` has saved',
    'sidetrack apply --only router      # on the router itself',
    'sidetrack apply --only server1     # on the server itself',
  ]);
  return withJson(withHosts(apply))
    .argument('[plan]', 'a saved plan: exactly its steps, or none where anything has moved since')
    .action(action(runApply));
}

async function runApply(given: HostOptions, file?: string): Promise<undefined> {
  const saved = file === undefined ? undefined : await readPlanFile(file);
  const options = saved ? optionsOf(given, saved) : given;
  const { config, deployment } = await loadDeployment(options);
  const approve = saved && file !== undefined ? mustBe(file, saved, deployment) : undefined;
  printWarnings(config.warnings);
  const { hosts, warnings } = await interruptible((signal) =>
    applyDeployment(deployment, { signal, ...progress(options) }, approve),
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

/** A plan knows its configuration and its hosts. */
function optionsOf(given: HostOptions, { config, only }: SavedPlan): HostOptions {
  if (given.only !== undefined && given.only !== only)
    throw new SidetrackError(`the plan is for ${only ?? 'all hosts'}, not for ${given.only}`, {
      code: 'plan-other-host',
      source: 'user',
      hint: `make another: sidetrack plan --only ${given.only} -o FILE`,
    });
  const file = given.config === undefined ? config.file : resolve(given.config);
  return { ...given, config: file, ...(only !== undefined && { only }) };
}

/** One line a step on standard error, unless programs are reading. */
export function progress({ json }: HostOptions): ExecuteOptions {
  if (json) return {};
  return { onStep: ({ host, title }) => say(`  ${pc.dim(`${host}:`)} ${title}`) };
}
