/** Building blocks of the schema: each carries the text that completes "<key> …". */
import { z } from 'zod';
import type { Problem } from './diagnostic.js';

type Check<T> = (value: T) => Problem | undefined;

/** Turns a check into a zod refinement; the hint travels in `params`. */
function refinement<T>(check: Check<T>) {
  return (value: T, context: z.core.$RefinementCtx<T>): void => {
    const problem = check(value);
    if (problem === undefined) return;
    context.addIssue({
      code: 'custom',
      message: problem.message,
      params: { hint: problem.hint },
    });
  };
}

export function text(check: Check<string>, expectation = 'must be text') {
  return z.string({ error: expectation }).superRefine(refinement(check));
}

export function integer(min: number, max: number, check?: Check<number>) {
  const error = `must be a whole number from ${min} to ${max}`;
  const bounded = z.int({ error }).min(min, { error }).max(max, { error });
  return check === undefined ? bounded : bounded.superRefine(refinement(check));
}

/** A number or one word. Both have the whole text: which of them was meant is not always seen. */
export function integerOrWord<const T extends string>(word: T, min: number, max: number) {
  const error = `must be "${word}" or a whole number from ${min} to ${max}`;
  const number = z.int({ error }).min(min, { error }).max(max, { error });
  return z.union([z.literal(word, { error }), number], { error });
}

export function choice<const T extends readonly string[]>(...words: T) {
  const quoted = words.map((word) => `"${word}"`);
  const error = `must be ${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
  return z.enum(words, { error });
}

/** A number or text, such as a port or a range of ports. */
export function numberOrText(check: Check<number | string>, expectation: string) {
  return z.union([z.number(), z.string()], { error: expectation }).superRefine(refinement(check));
}

export function list<T extends z.ZodType>(element: T) {
  return z
    .array(element, { error: 'must be a list' })
    .min(1, { error: 'must have at least one entry' });
}

/** One value or a list of them. */
export function oneOrMore<T extends z.ZodType>(element: T) {
  return z.union([element, list(element)], { error: 'must be one value or a list of them' });
}

export function section<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, { error: 'must be a section of keys' });
}

export const flag = (usual: boolean) =>
  z.boolean({ error: 'must be true or false' }).default(usual);
