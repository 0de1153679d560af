/**
 * Everything that the file format knows and sidetrack cannot do yet, in one place: building
 * the thing deletes its entry here.
 */
import type { Problem } from './diagnostic.js';
import { asMap, isMap, type Path, valueAt } from './raw.js';

interface Limit {
  /** `*` stands for every entry of a list. */
  path: Path;
  exceeded: (value: unknown) => boolean;
  problem: Problem;
  /** Where below `path` to point; without it, at `path` itself. */
  at?: Path;
}

const isProxy = (action: unknown): boolean => action === 'proxy' || isMap(action);

const LIMITS: readonly Limit[] = [
  {
    path: ['rules', '*'],
    exceeded: (value) => isProxy(asMap(value).action) && asMap(value).proto === 'udp',
    problem: {
      message: 'only TCP can be proxied yet',
      hint: 'write proto: tcp, or action: direct',
    },
    at: ['proto'],
  },
  {
    path: ['router'],
    exceeded: (value) => asMap(value).takes_over === true && asMap(value).classifier === 'ebpf',
    problem: {
      message: 'the eBPF classifier takes in no flows that began elsewhere yet',
      hint: 'write classifier: nftables, or remove takes_over',
    },
    at: ['takes_over'],
  },
];

/** Concrete paths that a pattern with `*` stands for in this file. */
function expand(root: unknown, pattern: Path): Path[] {
  const star = pattern.indexOf('*');
  if (star < 0) return [pattern];
  const parent = pattern.slice(0, star);
  const entries = valueAt(root, parent);
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((_, i) => expand(root, [...parent, i, ...pattern.slice(star + 1)]));
}

/** Every place where the file asks for something that is not built yet. */
export function limitProblems(root: unknown): { path: Path; problem: Problem }[] {
  return LIMITS.flatMap((limit) =>
    expand(root, limit.path)
      .filter((path) => limit.exceeded(valueAt(root, path)))
      .map((path) => ({ path: [...path, ...(limit.at ?? [])], problem: limit.problem })),
  );
}
