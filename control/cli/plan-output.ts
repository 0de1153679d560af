/** A plan on the terminal and as JSON. */
import pc from 'picocolors';
import type { DeploymentPlan, HostPlan } from '../apply/deployment.js';
import { type Diagnostic, printable } from '../config/diagnostic.js';
import { countDifferences, type DifferenceCounts, type FlowEffect } from '../plan/difference.js';
import { differenceLines, type PlanLine } from '../plan/difference-text.js';
import { type Step, stepData } from '../plan/step.js';
import { count } from './count.js';
import { print } from './output.js';

export const hasChanges = ({ hosts }: DeploymentPlan): boolean =>
  hosts.some(({ steps }) => steps.length > 0);

const differencesOf = (host: HostPlan) => host.differences().flatMap((one) => one.differences);

/** docs/plan.md says what each key means; keys are added, and none changes its meaning. */
export function planData({ hosts }: DeploymentPlan, warnings: readonly Diagnostic[]) {
  const differences = hosts.flatMap(differencesOf);
  const kept = hosts.flatMap((host) => host.kept());
  return {
    changes: hosts.some(({ steps }) => steps.length > 0),
    summary: countDifferences(differences, kept),
    hosts: hosts.map(({ name, observed }) => ({ name, address: observed.address })),
    differences,
    kept,
    steps: hosts.flatMap(({ steps }) => steps.map(stepData)),
    warnings,
  };
}

/** @param full nothing is shortened */
export function printPlan(plan: DeploymentPlan, full: boolean): void {
  for (const host of plan.hosts) printHost(host, full);
}

function printHost(host: HostPlan, full: boolean): void {
  print(`${pc.bold(host.name)} (${host.observed.address})`);
  if (host.steps.length === 0) print(`  ${pc.dim('as it should be')}`);
  for (const { step, differences } of host.differences()) {
    const alarm = differences.some(({ destructive }) => destructive);
    const sign = signOf(step, differences);
    const said = printable(step.title);
    const title = alarm ? pc.bold(pc.red(`${said}   ${ALARM}`)) : said;
    print(`  ${COLOURS[sign](sign)} ${title}`);
    for (const line of differenceLines(differences, full)) print(coloured(line));
  }
  print();
}

function signOf(step: Step, differences: readonly { action: string }[]): '+' | '-' | '~' {
  if (step.remembers || differences.every(({ action }) => action === 'added')) return '+';
  return differences.every(({ action }) => action === 'removed') ? '-' : '~';
}

const COLOURS = {
  '+': pc.green,
  '-': pc.red,
  '~': pc.yellow,
  ' ': pc.dim,
} as const;

/** What others wrote on a host stands in it, too: it steers no terminal. */
function coloured({ sign, text, inner, alarm }: PlanLine): string {
  const line = `${sign} ${printable(text)}`;
  const painted = alarm ? pc.bold(pc.red(`${line}   ${ALARM}`)) : COLOURS[sign](line);
  return `${inner ? '        ' : '      '}${painted}`;
}

const ALARM = '! destructive';

/** The last lines: how much it is, what becomes of live flows, what is destructive. */
export function planSummary({ hosts }: DeploymentPlan, file?: string): string[] {
  const differences = hosts.flatMap(differencesOf);
  const counts = countDifferences(
    differences,
    hosts.flatMap((host) => host.kept()),
  );
  const lost = differences.filter(({ destructive }) => destructive);
  const flows = flowsText(differences.flatMap((one) => one.flows ?? []));
  const steps = count(hosts.flatMap((host) => host.steps).length, 'step');
  return [
    ...(lost.length > 0
      ? [
          pc.bold(
            pc.red(
              `Destructive: ${lost.map(({ kind, name }) => printable(`${kind} ${name}`)).join(', ')}`,
            ),
          ),
        ]
      : []),
    `${countsText(counts)}${flows}. ${steps}. Next: sidetrack apply${file === undefined ? '' : ` ${file}`}`,
  ];
}

function countsText({ added, changed, removed, kept }: DifferenceCounts): string {
  const parts = [
    ...(added > 0 ? [`${added} added`] : []),
    ...(changed > 0 ? [`${changed} changed`] : []),
    ...(removed > 0 ? [`${removed} removed`] : []),
    ...(kept > 0 ? [`${kept} kept`] : []),
  ];
  return parts.join(', ');
}

function flowsText(effects: readonly FlowEffect[]): string {
  if (effects.includes('break')) return '; live steered connections break';
  if (effects.includes('move')) return '; live flows move to the other classifier';
  return effects.includes('stay') ? '; live flows stay' : '';
}
