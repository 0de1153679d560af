import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { type ApplyOptions, CONFIRMS, type Confirm } from '../../apply/carry-out.js';
import { applyDeployment } from '../../apply/deployment.js';
import { withKeysOf } from '../../apply/heartbeat-keys.js';
import type { ProbeReport } from '../../apply/probes/trial.js';
import { mustBe } from '../../apply/saved-plan.js';
import { unheardServers } from '../../apply/unheard.js';
import { printable } from '../../config/diagnostic.js';
import { SidetrackError } from '../../error.js';
import { rememberApplied } from '../../lists/applied.js';
import type { SavedPlan } from '../../plan/saved-plan.js';
import {
  action,
  command,
  type HostOptions,
  loadDeployment,
  withHosts,
  withInstall,
  withJson,
} from '../context.js';
import { count } from '../count.js';
import { sayNotKept } from '../lists/obtain.js';
import { EXIT_CODES, print, printJson, printWarnings, say } from '../output.js';
import { readPlanFile } from '../plan-file.js';
import { sayProbes } from '../probe-output.js';
import { interruptible } from '../signals.js';

interface ApplyCommandOptions extends HostOptions {
  confirm?: Confirm;
  confirmTimeout?: number;
}

export function applyCommand(): Command {
  const apply = command('apply', 'Bring router and server to the configured state', [
    'sidetrack apply',
    'sidetrack apply plan.json          # what `sidetrack plan -o plan.json` has saved',
    'sidetrack apply --only router      # on the router itself',
    'sidetrack apply --confirm manual   # kept when `sidetrack confirm` is typed, else put back',
    'sidetrack apply --install          # and install the relay on server1, or its new version',
  ]);
  return withInstall(withJson(withHosts(apply)))
    .argument('[plan]', 'a saved plan: exactly its steps, or none where anything has moved since')
    .addOption(
      new Option(
        '--confirm <how>',
        'what keeps a change that the hosts else put back by themselves: auto, a new connection to each; manual, `sidetrack confirm` (default: auto where a host is reached over ssh)',
      ).choices(CONFIRMS),
    )
    .addOption(
      new Option(
        '--confirm-timeout <seconds>',
        'put a change back that is not confirmed for so long (default: confirm.timeout_seconds, 90)',
      ).argParser(secondsOf),
    )
    .addHelpText('after', EXIT_CODES)
    .action(action(runApply));
}

const MOST_SECONDS = 86_400;

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  throw new InvalidArgumentError(`It has to be a number of seconds from 1 to ${MOST_SECONDS}.`);
}

async function runApply(given: ApplyCommandOptions, file?: string): Promise<undefined> {
  const saved = file === undefined ? undefined : await readPlanFile(file);
  const options = saved ? optionsOf(given, saved) : given;
  const { config, deployment: found } = await loadDeployment({ ...options, fetches: true });
  const deployment = saved ? withKeysOf(saved, found) : found;
  const approve = saved && file !== undefined ? mustBe(file, saved, deployment) : undefined;
  printWarnings(config.warnings);
  const { confirm, confirmTimeout: confirmSeconds } = options;
  const measured: (() => ProbeReport[])[] = [];
  const onMeasured = (reports: () => ProbeReport[]) => {
    measured.push(reports);
    if (!options.json) sayProbes(reports());
  };
  const how = { confirm, confirmSeconds, onMeasured, ...progress(options) };
  const { hosts, warnings: planned } = await interruptible((signal) =>
    applyDeployment(deployment, { signal, ...how }, approve),
  );
  await rememberApplied(config, [...deployment.hosts.keys()]).catch(sayNotKept);
  const steps = hosts.flatMap((host) => host.steps);
  const unheard = steps.length > 0 ? await unheardServers(deployment, hosts) : [];
  const warnings = [...planned, ...unheard];
  printWarnings(warnings);
  if (options.json) {
    printJson({
      changed: steps.length > 0,
      steps: steps.map(({ host, title }) => ({ host, title })),
      probes: measured.flatMap((reports) => reports()),
      warnings: [...config.warnings, ...warnings],
    });
    return;
  }
  const names = hosts.map(({ name }) => name).join(' and ');
  if (steps.length === 0)
    print(`Nothing changes: ${names} ${hosts.length > 1 ? 'are' : 'is'} as configured.`);
  else {
    const isWatched = hosts.some(({ name }) => deployment.hosts.get(name)?.remote);
    const kept = isWatched || confirm !== undefined ? ', confirmed' : '';
    print(
      `${pc.green('Done.')} ${names}: ${count(steps.length, 'step')}${kept}. Next: sidetrack status`,
    );
  }
}

/** A plan knows its configuration and its hosts. */
function optionsOf(
  given: ApplyCommandOptions,
  { config, only, install }: SavedPlan,
): ApplyCommandOptions {
  if (given.only !== undefined && given.only !== only)
    throw new SidetrackError(`the plan is for ${only ?? 'all hosts'}, not for ${given.only}`, {
      code: 'plan-other-host',
      source: 'user',
      hint: `make another: sidetrack plan --only ${given.only} -o FILE`,
    });
  const file = given.config === undefined ? config.file : resolve(given.config);
  return {
    ...(install !== undefined && { install }),
    ...given,
    config: file,
    ...(only !== undefined && { only }),
  };
}

/** One line a step on standard error, unless programs are reading. */
export function progress({ json }: HostOptions): ApplyOptions {
  if (json) return {};
  return {
    onStep: ({ host, title }) => say(`  ${pc.dim(`${host}:`)} ${printable(title)}`),
    onWait: waiting(),
  };
}

const TENTH = 10;

/** A terminal has one line that changes; elsewhere it is said now and then. */
function waiting(): (text: string) => void {
  let turn = 0;
  return (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K  ${text}`);
    else if (turn++ % TENTH === 0) say(`  ${text}`);
  };
}
