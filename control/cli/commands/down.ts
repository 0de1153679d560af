import type { Command } from 'commander';
import pc from 'picocolors';
import { takeDown } from '../../apply/deployment.js';
import { forgetApplied } from '../../lists/applied.js';
import {
  action,
  command,
  type HostOptions,
  loadDeployment,
  withHosts,
  withJson,
} from '../context.js';
import { sayNotKept } from '../lists/remember.js';
import { print, printJson, printWarnings } from '../output.js';
import { uninterrupted } from '../signals.js';
import { progress } from './apply.js';

export function downCommand(): Command {
  const down = command('down', 'Remove everything that apply made and put back what it changed', [
    'sidetrack down',
    'sidetrack down --only router',
  ]);
  return withJson(withHosts(down)).action(action(runDown));
}

async function runDown(options: HostOptions): Promise<undefined> {
  const { config, deployment } = await loadDeployment({ ...options, withoutLists: true });
  const { steps, warnings } = await uninterrupted(() => takeDown(deployment, progress(options)));
  await forgetApplied(config, [...deployment.hosts.keys()]).catch(sayNotKept);
  printWarnings(warnings);
  if (options.json) {
    printJson({
      changed: steps.length > 0,
      steps: steps.map(({ host, title }) => ({ host, title })),
      warnings,
    });
    return;
  }
  const names = [...deployment.hosts.keys()].join(' and ');
  if (steps.length === 0) print(`Nothing to remove on ${names}.`);
  else print(`${pc.green('Done.')} ${names}: as before sidetrack.`);
}
