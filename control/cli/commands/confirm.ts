import type { Command } from 'commander';
import pc from 'picocolors';
import { confirmChanges } from '../../apply/confirm.js';
import {
  action,
  command,
  type HostOptions,
  loadDeployment,
  withHosts,
  withJson,
} from '../context.js';
import { EXIT_CODES, EXIT_FAILED, EXIT_OK, print, printJson } from '../output.js';

export function confirmCommand(): Command {
  const confirm = command(
    'confirm',
    'Keep a change that waits for it, from any terminal or machine',
    [
      'sidetrack apply --confirm manual   # in one terminal',
      'sidetrack confirm                  # in another one',
    ],
  );
  return withJson(withHosts(confirm)).addHelpText('after', EXIT_CODES).action(action(runConfirm));
}

async function runConfirm(options: HostOptions): Promise<number> {
  const { deployment } = await loadDeployment(options);
  const confirmed = await confirmChanges(deployment.hosts);
  if (options.json) printJson({ confirmed: confirmed.map(({ host }) => host) });
  else if (confirmed.length === 0)
    print(`Nothing waits to be confirmed on ${[...deployment.hosts.keys()].join(' and ')}.`);
  for (const { host, by } of options.json ? [] : confirmed)
    print(`${pc.green('Confirmed.')} ${host}: the change${by} is kept.`);
  return confirmed.length > 0 ? EXIT_OK : EXIT_FAILED;
}
