/** A plan of live hosts as a file's content, and a file's plan against the hosts. */

import type { Command } from '../command/command.js';
import { PLAN_FORMAT, PLAN_VERSION, type PlanContent, type SavedPlan } from '../plan/saved-plan.js';
import {
  assertFresh,
  configParts,
  interfaceMacs,
  liveDigests,
  type PlannedNow,
  wantedDigests,
} from '../plan/stale-plan.js';
import { foundResources } from '../resources/steps.js';
import type { Deployment, DeploymentPlan, HostPlan } from './deployment.js';

export interface Planned {
  /** Absolute: it is read again. */
  configFile: string;
  only?: string;
  /** The package that is to be installed. */
  install?: string | true;
  persist?: boolean;
  /** Version of this program. */
  program: string;
}

export function planContent(
  { config }: Deployment,
  { hosts }: DeploymentPlan,
  { configFile, only, install, persist, program }: Planned,
): PlanContent {
  return {
    format: PLAN_FORMAT,
    version: PLAN_VERSION,
    sidetrack: program,
    config: { file: configFile, parts: configParts(config) },
    ...(only !== undefined && { only }),
    ...(install !== undefined && { install }),
    ...(persist !== undefined && { persist }),
    hosts: hosts.map(plannedNow),
    differences: hosts.flatMap(differencesOf),
    steps: hosts.flatMap(({ steps }) =>
      steps.map((step) => ({
        host: step.host,
        title: step.title,
        ...commandData(step),
        undo: step.undo.map(commandData),
      })),
    ),
  };
}

const commandData = ({ argv, stdin }: Command) => ({
  argv: [...argv],
  ...(stdin !== undefined && { stdin }),
});

const differencesOf = (host: HostPlan) => host.differences().flatMap((one) => one.differences);

function plannedNow(host: HostPlan): PlannedNow {
  const { name, observed } = host;
  return {
    name,
    address: observed.address,
    interfaces: interfaceMacs(observed),
    live: liveDigests([...differencesOf(host), ...foundResources(observed)]),
    wanted: wantedDigests(differencesOf(host)),
  };
}

/** For `applyDeployment`: what is planned under the lock must be what was saved. @throws SidetrackError */
export const mustBe =
  (file: string, saved: SavedPlan, { config }: Deployment) =>
  ({ hosts }: DeploymentPlan): void =>
    assertFresh(file, saved, {
      config: configParts(config),
      hosts: hosts.map(plannedNow),
      steps: hosts.flatMap(({ steps }) => steps),
    });
