/** `plan --sh`: scripts in a directory, or one on standard output. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Deployment, DeploymentPlan, HostPlan } from '../apply/deployment.js';
import { type HostScripts, hostScripts } from '../apply/scripts.js';
import { SidetrackError } from '../error.js';
import { SCRIPT_MARK } from '../plan/script.js';
import { print } from './output.js';
import { version } from './package.js';
import { writeOwnFile } from './plan-file.js';

/** @param directory true: standard output, for one host alone */
export async function giveScripts(
  deployment: Deployment,
  { hosts }: DeploymentPlan,
  directory: string | true,
  force: boolean,
): Promise<void> {
  const scriptsOf = (plan: HostPlan): HostScripts =>
    hostScripts(deployment.hosts.get(plan.name)!, plan, version());
  if (directory === true) {
    const [only, ...others] = hosts;
    if (only === undefined || others.length > 0) throw severalHosts(hosts);
    print(scriptsOf(only).up);
    return;
  }
  await makeDirectory(directory);
  for (const plan of hosts) {
    const scripts = scriptsOf(plan);
    for (const verb of ['up', 'down'] as const)
      await writeScript(join(directory, `${plan.name}-${verb}.sh`), scripts[verb], force);
    print(`${plan.name} (${plan.observed.address}): ${join(directory, `${plan.name}-up.sh`)}`);
  }
  print('Next: run them there as root, servers first; NAME-down.sh takes everything back');
}

const OWNER_ONLY = 0o700;

function writeScript(file: string, content: string, force: boolean): Promise<void> {
  const isOurs = (text: string) => text.startsWith(`#!/bin/sh\n${SCRIPT_MARK} `);
  return writeOwnFile(
    file,
    { content, mode: OWNER_ONLY, isOurs, what: 'script of sidetrack' },
    force,
  );
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: OWNER_ONLY });
  } catch (cause) {
    throw new SidetrackError(`cannot make the directory ${directory}`, {
      code: 'not-writable',
      source: 'user',
      hint: 'name one that is there, or that can be made: sidetrack plan --sh DIR',
      cause,
    });
  }
}

function severalHosts(hosts: readonly HostPlan[]): SidetrackError {
  const names = hosts.map(({ name }) => name);
  return new SidetrackError(`each host has scripts of its own: ${names.join(', ')}`, {
    code: 'several-hosts',
    source: 'user',
    hint: `name a directory: sidetrack plan --sh DIR; or one host: --only ${names[0] ?? 'router'}`,
  });
}
