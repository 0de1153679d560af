import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { type ApplyOptions, CONFIRMS, type Confirm } from '../../apply/carry-out.js';
import { applyDeployment, type Deployment, type HostPlan } from '../../apply/deployment.js';
import { withKeysOf } from '../../apply/heartbeat-keys.js';
import { isForBoot } from '../../apply/persist.js';
import type { ProbeReport } from '../../apply/probes/trial.js';
import { mustBe } from '../../apply/saved-plan.js';
import { unheardServers } from '../../apply/unheard.js';
import type { Config } from '../../config/config.js';
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
  withPersist,
} from '../context.js';
import { count } from '../count.js';
import { rememberKept, sayNotKept } from '../lists/remember.js';
import { refreshAdvice } from '../lists/timer.js';
import { EXIT_CODES, print, printJson, printWarnings, say } from '../output.js';
import { readPlanFile } from '../plan-file.js';
import { sayProbes } from '../probe-output.js';
import { interruptible, uninterrupted } from '../signals.js';

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
    'sidetrack apply --persist          # and bring it back after a reboot',
  ]);
  return withPersist(withInstall(withJson(withHosts(apply))))
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
  const { hosts, warnings: planned } = await rememberKept(
    () => interruptible((signal) => applyDeployment(deployment, { signal, ...how }, approve)),
    () => rememberApplied(config, [...deployment.hosts.keys()]).catch(sayNotKept),
  );
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
  sayDone(deployment, hosts, steps.length, confirm !== undefined);
  if (options.persist === true) sayAdvice(config);
  if (
    steps.length > 0 &&
    options.persist === undefined &&
    (await offerBoot(deployment, hosts, options))
  )
    sayAdvice(config);
  return;
}

function sayDone(
  deployment: Deployment,
  hosts: readonly HostPlan[],
  steps: number,
  isConfirmed: boolean,
): void {
  const names = hosts.map(({ name }) => name).join(' and ');
  if (steps === 0)
    print(`Nothing changes: ${names} ${hosts.length > 1 ? 'are' : 'is'} as configured.`);
  else {
    const isWatched = hosts.some(({ name }) => deployment.hosts.get(name)?.remote);
    const changes = hosts.some((host) => host.steps.some((step) => !isForBoot(step)));
    const kept = changes && (isWatched || isConfirmed) ? ', confirmed' : '';
    print(`${pc.green('Done.')} ${names}: ${count(steps, 'step')}${kept}. Next: sidetrack status`);
  }
}

/** What is to last shall not grow old, either. */
function sayAdvice(config: Config): void {
  const advice = refreshAdvice(config);
  if (advice !== undefined) say(advice);
}

/**
 * Somebody who can be asked is: what stands now, the next boot of those hosts takes away.
 * @returns whether that was agreed to, and is done
 */
async function offerBoot(
  deployment: Deployment,
  hosts: readonly HostPlan[],
  options: HostOptions,
): Promise<boolean> {
  const names = hosts
    .filter(({ observed, desired }) => observed.persist && !desired.persist)
    .map(({ name }) => name);
  if (names.length === 0) return false;
  const them = names.join(' and ');
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    say(`A reboot of ${them} takes this away; to bring it back then: sidetrack apply --persist`);
    return false;
  }
  if (
    !(await isAgreed(`Bring this back when ${them} ${names.length > 1 ? 'boot' : 'boots'}, too?`))
  )
    return false;
  const asked = { ...deployment, persist: true };
  await uninterrupted(() => applyDeployment(asked, progress(options)));
  print(
    `${pc.green('Done.')} ${them}: persisted. To undo that alone: sidetrack apply --no-persist`,
  );
  return true;
}

async function isAgreed(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const answer = await Promise.race([lines.question(`${question} [y/N] `), ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}

/** A plan knows its configuration and its hosts. */
function optionsOf(
  given: ApplyCommandOptions,
  { config, only, install, persist }: SavedPlan,
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
    ...(persist !== undefined && { persist }),
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
