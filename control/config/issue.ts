/** Turns what zod found into diagnostics that name the position and what to write. */
import { z } from 'zod';
import { DEPRECATED_KEYS } from './deprecated.js';
import { type Diagnostic, diagnosticAt, type Problem } from './diagnostic.js';
import { formatPath, isMap, type Path, valueAt } from './raw.js';
import type { Source } from './source.js';
import { nearest, suggestion } from './suggest.js';

type Issue = z.core.$ZodIssue;

interface Context {
  schema: z.ZodType;
  root: unknown;
  source: Source;
}

/** The schema of the value at a path, below defaults and options. */
function schemaAt(schema: unknown, path: Path): unknown {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return schemaAt(schema.def.innerType, path);
  }
  const [step, ...rest] = path;
  if (step === undefined) return schema;
  if (schema instanceof z.ZodObject) return schemaAt(schema.shape[step], rest);
  if (schema instanceof z.ZodArray) return schemaAt(schema.def.element, rest);
  if (schema instanceof z.ZodRecord) return schemaAt(schema.def.valueType, rest);
  return undefined;
}

/** Below `upstreams` may stand a secret, so values from there are never shown. */
function isSecret(path: Path): boolean {
  return path.includes('upstreams');
}

function describe(value: unknown, path: Path, source: Source): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (isMap(value)) return 'a section of keys';
  const kind = typeof value === 'string' ? 'the text' : `the ${typeof value}`;
  if (isSecret(path)) return kind;
  const written = source.writtenAt(path) ?? String(value);
  if (written.length > 40) return kind;
  return typeof value === 'string' ? `the text "${written}"` : `${kind} ${written}`;
}

/** Whether the value, or the one value in place of a list, had to be text. */
function wantsText(issue: Issue): boolean {
  const expected = issue.code === 'invalid_union' ? issue.errors[0]?.[0] : issue;
  return expected?.code === 'invalid_type' && expected.expected === 'string';
}

/** What YAML made of a value that was surely meant otherwise. */
function quotingHint(value: unknown, path: Path, issue: Issue, source: Source): string | undefined {
  if (isSecret(path)) return undefined;
  if (isMap(value)) {
    const [key = '', ...others] = Object.keys(value);
    if (others.length === 0 && value[key] === null && key.endsWith(':')) {
      return `put an IPv6 address that ends in "::" in quotes: "${key}:"`;
    }
  } else if (wantsText(issue) && (typeof value === 'number' || typeof value === 'boolean')) {
    return `put it in quotes: "${source.writtenAt(path) ?? value}"`;
  } else if (issue.code === 'invalid_type' && typeof value === 'string' && /^\d+$/.test(value)) {
    return 'write the number without quotes';
  }
  return undefined;
}

/** Of a choice of shapes, the issues of the one that the value was meant to have. */
function unfold(issue: Issue, root: unknown): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  // A section of keys is no word, whatever word it should have been.
  const isSection = isMap(valueAt(root, issue.path.map(pathStep)));
  const isWrongShape = ({ path, code }: Issue): boolean =>
    path.length === 0 &&
    (code === 'invalid_type' ||
      code === 'invalid_union' ||
      (code === 'invalid_value' && isSection));
  const meant = issue.errors.find((branch) => !branch.some(isWrongShape));
  if (meant === undefined) return [issue];
  return meant.flatMap((inner) =>
    unfold({ ...inner, path: [...issue.path, ...inner.path] } as Issue, root),
  );
}

const pathStep = (step: PropertyKey) => (typeof step === 'number' ? step : String(step));

/** An example value as YAML in one line; quotes only where YAML needs them. */
function yamlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlText).join(', ')}]`;
  return /^[a-z0-9.-]+$/i.test(String(value)) ? String(value) : JSON.stringify(value);
}

function missingKey(path: Path, context: Context): Diagnostic {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const where = parent.length === 0 ? 'the file' : formatPath(parent);
  const schema = schemaAt(context.schema, path);
  const example = schema instanceof z.ZodType ? schema.meta()?.examples : undefined;
  const hint = Array.isArray(example) ? `for example: ${key}: ${yamlText(example[0])}` : undefined;
  const problem: Problem = { message: `${where} lacks the key "${key}"`, ...(hint && { hint }) };
  return diagnosticAt(context.source.positionOf(parent), problem);
}

/** Those that one should write: no deprecated ones. */
function keysOf(schema: z.ZodObject): string[] {
  return Object.keys(schema.shape).filter((key) => !DEPRECATED_KEYS.includes(key));
}

function unknownKey(key: string, parent: Path, context: Context): Diagnostic {
  const schema = schemaAt(context.schema, parent);
  const known = schema instanceof z.ZodObject ? keysOf(schema) : [];
  const hint =
    key === 'password' && known.includes('password_file')
      ? 'write the password to a file and name that as password_file'
      : suggestion(key, known);
  const problem: Problem = { message: `unknown key "${key}"`, ...(hint && { hint }) };
  return diagnosticAt(context.source.positionOfKey([...parent, key]), problem);
}

function wrongValue(issue: Issue, path: Path, value: unknown, { source }: Context): Diagnostic {
  const message = `${formatPath(path) || 'the file'} ${issue.message}`;
  const near =
    issue.code === 'invalid_value' && typeof value === 'string' && !isSecret(path)
      ? nearest(value, issue.values.map(String))
      : undefined;
  const hint =
    near === undefined ? quotingHint(value, path, issue, source) : `did you mean "${near}"?`;
  const isList = Array.isArray(value) && ['too_small', 'too_big'].includes(issue.code);
  const problem: Problem = {
    message: isList ? message : `${message}, not ${describe(value, path, source)}`,
    ...(hint && { hint }),
  };
  return diagnosticAt(source.positionOf(path), problem);
}

function toDiagnostics(issue: Issue, context: Context): Diagnostic[] {
  const path = issue.path.map(pathStep);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey(key, path, context));
  }
  if (issue.code === 'custom') {
    const hint: unknown = issue.params?.hint;
    const problem = { message: issue.message, ...(typeof hint === 'string' && { hint }) };
    return [diagnosticAt(context.source.positionOf(path), problem)];
  }
  const value = valueAt(context.root, path);
  if (value === undefined) return [missingKey(path, context)];
  return [wrongValue(issue, path, value, context)];
}

/** zod measures a text in place of a list, too, and finds it too long a list. */
function withoutSize(issues: Issue[]): Issue[] {
  const misshapen = issues.filter(({ code }) => code === 'invalid_type').map(pathText);
  return issues.filter((one) => !(one.code === 'too_big' && misshapen.includes(pathText(one))));
}

const pathText = ({ path }: Issue): string => JSON.stringify(path.map(String));

/** Everything that zod says about a file. */
export function issueDiagnostics(error: z.ZodError, context: Context): Diagnostic[] {
  const issues = withoutSize(error.issues.flatMap((issue) => unfold(issue, context.root)));
  return issues.flatMap((issue) => toDiagnostics(issue, context));
}
