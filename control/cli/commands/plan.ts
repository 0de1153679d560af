import { type Command, Option } from 'commander';
import pc from 'picocolors';
import { planDeployment } from '../../apply/deployment.js';
import { shellScript } from '../../plan/render.js';
import { type Step, stepData } from '../../plan/step.js';
import {
  action,
  command,
  type HostOptions,
  loadDeployment,
  withHosts,
  withJson,
} from '../context.js';
import { count } from '../count.js';
import { print, printJson, printWarnings } from '../output.js';

interface PlanOptions extends HostOptions {
  sh?: boolean;
}

export function planCommand(): Command {
  const plan = command('plan', 'Show what apply would do, and change nothing', [
    'sidetrack plan',
    'sidetrack plan --only router',
    'sidetrack plan --only router --sh > router.sh     # the same steps as a shell script',
  ]);
  return withJson(withHosts(plan))
    .addOption(
      new Option('--sh', 'print a shell script with the same commands, to run by hand').conflicts(
        'json',
      ),
    )
    .action(action(runPlan));
}

async function runPlan(options: PlanOptions): Promise<undefined> {
  const { config, deployment } = await loadDeployment(options);
  const { hosts, warnings: found } = await planDeployment(deployment);
  const warnings = [...config.warnings, ...found];
  if (options.json) {
    const steps = hosts.flatMap((host) => host.steps);
    printJson({ steps: steps.map(stepData), warnings });
    return;
  }
  printWarnings(warnings);
  if (options.sh) {
    for (const { name, steps, observed } of hosts)
      print(shellScript(steps, observed.stateDir, deployment.hosts.get(name)!.wrap));
    return;
  }
  for (const { name, observed, steps } of hosts) printHost(name, observed.address, steps);
  const total = hosts.flatMap(({ steps }) => steps).length;
  print(total === 0 ? 'Nothing to do.' : `${count(total, 'step')}. Next: sidetrack apply`);
}

export function printHost(name: string, address: string, steps: readonly Step[]): void {
  print(`${pc.bold(name)} (${address})`);
  if (steps.length === 0) print(`  ${pc.dim('as it should be')}`);
  for (const step of steps) {
    print(`  ${pc.green('+')} ${step.title}`);
    print(`    ${pc.dim(summary(step))}`);
  }
  print();
}

const LONGEST_INPUT = 60;

/** The command with its input, shortened to one line. */
function summary({ argv, stdin, writes }: Step): string {
  const input = stdin?.trim() ?? '';
  if (writes !== undefined) return `write ${writes}`;
  if (argv[0] === 'tee') return `echo ${input.split('\n').at(-1)} > ${argv[1]}`;
  if (input === '') return argv.join(' ');
  const shown = input.length > LONGEST_INPUT ? `${input.length} bytes of JSON` : input;
  return `${argv.join(' ')} < ${shown} (--json shows it)`;
}
