/**
 * What probes ask: a connection to `destination`, or an answer to `url`, `tls` or `banner`. Addresses
 * only, for a name would need a resolver that works.
 */
import { type Destination, parseDestination } from './destination.js';
import type { Problem } from './diagnostic.js';
import { asList, asMap, type Path, valueAt } from './raw.js';

/** The keys of which one says what a probe does. */
export const PROBE_KEYS = ['destination', 'url', 'tls', 'banner'] as const;
export type ProbeKey = (typeof PROBE_KEYS)[number];

export interface ProbeTarget extends Destination {
  /** Of a url: what is asked for. */
  path?: string;
}

const LONGEST_PATH = 300;
const URL_FORM =
  /^http:\/\/(?<host>[0-9.]+|\[[0-9A-Fa-f:.]+\])(?<port>:[0-9]+)?(?<path>\/[!-~]*)?$/;

export function parseProbeUrl(text: string): ProbeTarget | Problem {
  const { host, port = ':80', path = '/' } = URL_FORM.exec(text)?.groups ?? {};
  const target = host === undefined ? undefined : parseDestination(`${host}${port}`);
  if (target === undefined || 'message' in target)
    return {
      message: `"${text}" is not http:// with an address`,
      hint: 'write for example "http://1.1.1.1/"; https is what "tls" is for',
    };
  if (path.length > LONGEST_PATH) return { message: 'the path of the url is too long' };
  return { ...target, path };
}

export function probeUrlProblem(text: string): Problem | undefined {
  const target = parseProbeUrl(text);
  return 'message' in target ? target : undefined;
}

/** Exactly one of the keys, and one address of a family in it. Reads the unchecked file. */
export function probeProblems(root: unknown): { path: Path; problem: Problem }[] {
  const path = ['relay', 'probe'];
  const probe = valueAt(root, path);
  if (probe === undefined) return [];
  const keys = PROBE_KEYS.filter((key) => asMap(probe)[key] !== undefined);
  const [first, second] = keys;
  if (first === undefined) {
    const message = 'the probe has no destination';
    const hint = 'write destination: "1.1.1.1:443", or url, tls or banner';
    return [{ path, problem: { message, hint } }];
  }
  if (second !== undefined) {
    const message = `"${first}" and "${second}" at once: a probe asks one thing`;
    return [{ path: [...path, second], problem: { message, hint: `remove one of them` } }];
  }
  return familiesOf(asMap(probe)[first], [...path, first]);
}

function familiesOf(value: unknown, path: Path): { path: Path; problem: Problem }[] {
  const isIPv6 = (text: unknown) => typeof text === 'string' && text.includes('[');
  const texts = asList(value);
  if (texts.length < 2 || (texts.length === 2 && isIPv6(texts[0]) !== isIPv6(texts[1]))) return [];
  const message = 'a probe has one address of each family at most';
  return [{ path, problem: { message, hint: 'keep one IPv4 and one IPv6 address' } }];
}
