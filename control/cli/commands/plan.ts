import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { planDeployment } from '../../apply/deployment.js';
import { planContent } from '../../apply/saved-plan.js';
import {
  action,
  command,
  configFile,
  type HostOptions,
  loadDeployment,
  withHosts,
  withInstall,
  withJson,
  withPersist,
} from '../context.js';
import { EXIT_CHANGES, EXIT_OK, print, printJson, printWarnings } from '../output.js';
import { version } from '../package.js';
import { writePlanFile } from '../plan-file.js';
import { hasChanges, planData, planSummary, printPlan } from '../plan-output.js';
import { giveScripts } from '../scripts.js';

interface PlanOptions extends HostOptions {
  out?: string;
  force?: boolean;
  sh?: string | true;
  full?: boolean;
}

export function planCommand(): Command {
  const plan = command('plan', 'Show what apply would do, and change nothing', [
    'sidetrack plan',
    'sidetrack plan -o plan.json                       # then: sidetrack apply plan.json',
    'sidetrack plan --only router --full               # every rule and element',
    'sidetrack plan --detailed-exitcode                # 0: no changes, 2: changes, 1: it failed',
    'sidetrack plan --sh scripts                       # for each host HOST-up.sh and HOST-down.sh',
  ]);
  return withPersist(withInstall(withJson(withHosts(plan))))
    .option('-o, --out <file>', 'save the plan for `sidetrack apply FILE`')
    .option('--force', 'with --out and --sh: overwrite a file of another kind')
    .option('--full', 'shorten nothing')
    .option('--detailed-exitcode', 'exit 0 without changes, 2 with changes, 1 on any error')
    .addOption(
      new Option(
        '--sh [directory]',
        'write shell scripts that do the same and undo it, to be run on the hosts; without a directory print that of one host',
      ).conflicts('json'),
    )
    .action(action(runPlan));
}

async function runPlan(given: PlanOptions): Promise<number> {
  // The file's directory is part of paths that it names: as apply will read it.
  const configured = given.out === undefined ? {} : { config: resolve(configFile(given)) };
  const options = { ...given, ...configured };
  const { config, deployment } = await loadDeployment({ ...options, fetches: true });
  const plan = await planDeployment(deployment);
  const warnings = [...config.warnings, ...plan.warnings];
  const changes = hasChanges(plan);
  const status = changes && options.detailedExitcode ? EXIT_CHANGES : EXIT_OK;
  if (options.out !== undefined && configured.config !== undefined) {
    const { only, install, persist } = options;
    const how = {
      configFile: configured.config,
      program: version(),
      ...(only !== undefined && { only }),
      ...(persist !== undefined && { persist }),
      ...(install !== undefined && { install: install === true || resolve(install) }),
    };
    await writePlanFile(options.out, planContent(deployment, plan, how), options.force ?? false);
  }
  if (options.json) {
    printJson(planData(plan, warnings));
    return status;
  }
  printWarnings(warnings);
  if (options.sh !== undefined) {
    await giveScripts(deployment, plan, options.sh, options.force ?? false);
    return status;
  }
  printPlan(plan, options.full ?? false);
  for (const line of changes ? planSummary(plan, options.out) : ['Nothing to do.']) print(line);
  return status;
}
