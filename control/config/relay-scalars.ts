/**
 * The relay's settings that are a number, true or false, or one of a few words: they go from the schema
 * to the engine by their names (cli/relay/options.ts), and nothing between lists them.
 */
import type { z } from 'zod';
import { type CamelCase, camelCase } from '../../proxy/camel-case.js';
import { relaySchema } from './schema.js';

type Scalar = number | boolean | string;
type Section = Readonly<Record<string, unknown>>;

/** Those keys of a section, in camel case. */
export type Scalars<T extends Section> = {
  [K in keyof T as NonNullable<T[K]> extends Scalar ? CamelCase<K & string> : never]: T[K];
};

const WRAPPERS = ['default', 'prefault', 'optional'];

function kindOf(type: z.core.$ZodType): string {
  const { def } = type._zod;
  if (!WRAPPERS.includes(def.type)) return def.type;
  return kindOf((def as z.core.$ZodOptionalDef).innerType);
}

/** Keys, as the file writes them. */
export function scalarKeys({ shape }: z.ZodObject): string[] {
  return Object.keys(shape).filter((key) =>
    ['number', 'boolean', 'enum'].includes(kindOf(shape[key]!)),
  );
}

/** Keys of the relay's section that a reload, or a restart, brings into force as they are. */
export const RELAY_SCALARS: readonly string[] = scalarKeys(relaySchema);

/** Those that are there, in camel case. */
export function scalarsOf<T extends Section>(section: T, schema: z.ZodObject): Scalars<T> {
  const present = scalarKeys(schema).filter((key) => section[key] !== undefined);
  return Object.fromEntries(present.map((key) => [camelCase(key), section[key]])) as Scalars<T>;
}
