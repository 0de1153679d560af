/** A plan as a file: what `plan -o` writes and `apply FILE` carries out. Pure. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';

export const PLAN_VERSION = 1;
/** Tells a plan from any other file, so that only plans are overwritten. */
export const PLAN_FORMAT = 'sidetrack plan';

const commandSchema = z.object({
  argv: z.array(z.string()),
  stdin: z.string().exactOptional(),
});

const stepSchema = commandSchema.extend({
  host: z.string(),
  title: z.string(),
  undo: z.array(commandSchema),
});

const digests = z.record(z.string(), z.string());

const content = z.object({
  format: z.literal(PLAN_FORMAT),
  version: z.literal(PLAN_VERSION),
  /** Of the program that made it. */
  sidetrack: z.string(),
  /** Where the configuration was, and a digest of each part of what it says. */
  config: z.object({ file: z.string(), parts: digests }),
  /** The one host that it is about; absent: all. */
  only: z.string().exactOptional(),
  /** The package that it installs: a path, or true for the one that was built here. */
  install: z.union([z.string(), z.literal(true)]).exactOptional(),
  /** Whether it has the next boot bring the hosts back; absent: those that it does already. */
  persist: z.boolean().exactOptional(),
  hosts: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      /** MAC by interface: what a machine is known by again. */
      interfaces: digests,
      /** Digest of each thing that the plan found, by `resourceKey`. */
      live: digests,
      /** The same of each thing that it changes, as it is to be. */
      wanted: digests,
    }),
  ),
  differences: z.array(z.unknown()),
  steps: z.array(stepSchema),
});

const savedPlan = content.extend({ digest: z.string() });

export type PlanContent = z.output<typeof content>;
export type SavedPlan = z.output<typeof savedPlan>;
export type SavedStep = z.output<typeof stepSchema>;

export function formatSavedPlan(given: PlanContent): string {
  // With its keys in the order of the schema, as they are read back.
  const plan = content.parse(given);
  return `${JSON.stringify({ ...plan, digest: digestOf(plan) }, null, 1)}\n`;
}

/** @throws SidetrackError `plan-damaged`, `plan-version` */
export function parseSavedPlan(file: string, text: string, program: string): SavedPlan {
  const read = readContract(text, savedPlan);
  const hint = 'make a new one: sidetrack plan -o FILE';
  if (!('value' in read))
    throw new SidetrackError(
      `${file}: ${read.isVersion ? read.problem : `this is no whole plan: ${read.problem}`}`,
      { code: read.isVersion ? 'plan-version' : 'plan-damaged', source: 'user', hint },
    );
  const { digest, ...plan } = read.value;
  if (digestOf(plan) !== digest)
    throw new SidetrackError(`${file} is damaged: it is not what plan has written`, {
      code: 'plan-damaged',
      source: 'user',
      hint,
    });
  if (plan.sidetrack !== program)
    throw new SidetrackError(`${file} is of sidetrack ${plan.sidetrack}, and this is ${program}`, {
      code: 'plan-version',
      source: 'user',
      hint,
    });
  return read.value;
}

/** Whether a file is one of ours, whole or not. */
export const looksLikePlan = (text: string): boolean =>
  text.slice(0, 200).includes(`"format": "${PLAN_FORMAT}"`);

/** Of any data, with the keys in their order. Where a rule stands in the file is of no account. */
export function digestOf(value: unknown): string {
  const text = JSON.stringify(value, (key, one: unknown) =>
    key === 'position' ? undefined : typeof one === 'bigint' ? `${one}` : one,
  );
  return createHash('sha256')
    .update(text ?? '')
    .digest('hex')
    .slice(0, 32);
}
