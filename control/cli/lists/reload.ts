/**
 * Brings changed lists to the hosts, and nothing else: the configuration is the one that was applied, and each host has to be
 * as it was left. So whatever `apply` does for live flows holds here, too.
 */
import type { ApplyOptions } from '../../apply/carry-out.js';
import {
  applyDeployment,
  type Deployment,
  openDeployment,
  planDeployment,
} from '../../apply/deployment.js';
import { isForBoot } from '../../apply/persist.js';
import type { Config } from '../../config/config.js';
import { parseConfig } from '../../config/load.js';
import { SidetrackError } from '../../error.js';
import { type AppliedHost, noteTried, rememberApplied } from '../../lists/applied.js';
import type { Step } from '../../plan/step.js';
import { compilePolicy } from '../../policy/compile.js';
import type { HostChange } from './changes.js';
import { rememberKept } from './remember.js';

/** @throws SidetrackError where a host is not as it was left, and what `applyDeployment` throws; the next run goes on there */
export async function reloadSets(change: HostChange, options: ApplyOptions): Promise<Step[]> {
  const { next, hosts, known, others } = change;
  const steps: Step[] = [];
  const isAll = hosts.length === next.servers.length + 1;
  for (const only of isAll ? [undefined] : hosts) {
    const names = only === undefined ? hosts : [only];
    const policy = compilePolicy(next);
    const deployment = await openDeployment(next, policy, { only });
    await assertAsLeft(deployment, known);
    await noteTried(next, names);
    const plan = await rememberKept(
      () => applyDeployment(deployment, options),
      () => rememberApplied(next, [...names, ...others]),
    );
    steps.push(...plan.hosts.flatMap((host) => host.steps));
  }
  return steps;
}

/** What brings a host back at boot is mended with the lists. */
const isNeeded = (step: Step) => !step.optional && !isForBoot(step);

/** Each host has the lists that it was given last, or those that a run before this one was about to give it. */
async function assertAsLeft(deployment: Deployment, { sets, tried }: AppliedHost): Promise<void> {
  const { config: next } = deployment;
  const { file, text } = next;
  const left = new Set(deployment.hosts.keys());
  let first: Step | undefined;
  let others = 0;
  for (const instead of [sets, ...(tried ? [tried] : []), undefined]) {
    const config = instead === undefined ? next : await parseConfig(file, text, { instead });
    const pending = await pendingOf(deployment, config);
    const named = [...left].flatMap((name) => pending.get(name) ?? []);
    if (first === undefined) [first, others] = [named[0], named.length - 1];
    for (const name of left) if (pending.get(name)?.length === 0) left.delete(name);
    if (left.size === 0) return;
  }
  if (first === undefined) return;
  throw new SidetrackError(
    `${first.host} is not as it was applied (${first.title}${others > 0 ? ', …' : ''}): the new lists are kept and not loaded`,
    {
      code: 'refresh-pending',
      source: 'host',
      hint: 'sidetrack plan shows what is to be done; sidetrack apply does it, with the new lists',
    },
  );
}

async function pendingOf(deployment: Deployment, config: Config): Promise<Map<string, Step[]>> {
  const { hosts } = await planDeployment({ ...deployment, config, policy: compilePolicy(config) });
  return new Map(hosts.map(({ name, steps }) => [name, steps.filter(isNeeded)]));
}
