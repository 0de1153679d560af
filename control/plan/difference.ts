/** What a plan changes on a host, thing by thing, as people and other programs read it. */

/** One thing on a host; the names of a kind are unique there. */
export interface Resource {
  kind:
    | 'sysctl'
    | 'file'
    | 'route'
    | 'rule'
    | 'table'
    | 'chain'
    | 'set'
    | 'classifier'
    | 'package'
    | 'unit';
  name: string;
}

/** What becomes of live flows: they go on, they break, or the other classifier takes them over. */
export type FlowEffect = 'stay' | 'break' | 'move';

/** Of a set, whose elements may be a hundred thousand. */
export interface ElementChanges {
  before: number;
  after: number;
  added: string[];
  removed: string[];
}

export interface Difference extends Resource {
  action: 'added' | 'changed' | 'removed';
  /** In the words of the tool: `ip`, nft, a file's content. Absent where it was not there. */
  before?: string;
  /** Absent where it will not be there. */
  after?: string;
  elements?: ElementChanges;
  /** Live flows break, or something is lost that is not ours. */
  destructive: boolean;
  /** Absent where no flow depends on it. */
  flows?: FlowEffect;
}

export type HostDifference = { host: string } & Difference;
export type HostResource = { host: string } & Resource;

export const resourceKey = ({ kind, name }: Resource): string => `${kind} ${name}`;

/** Those of `wanted` that no difference is about. */
export function keptOf(wanted: readonly Resource[], differences: readonly Resource[]): Resource[] {
  const differing = new Set(differences.map(resourceKey));
  return wanted.filter((one) => !differing.has(resourceKey(one)));
}

export interface DifferenceCounts {
  added: number;
  changed: number;
  removed: number;
  kept: number;
  destructive: number;
}

export function countDifferences(
  differences: readonly Difference[],
  kept: readonly Resource[],
): DifferenceCounts {
  const count = (action: Difference['action']) =>
    differences.filter((one) => one.action === action).length;
  return {
    added: count('added'),
    changed: count('changed'),
    removed: count('removed'),
    kept: kept.length,
    destructive: differences.filter(({ destructive }) => destructive).length,
  };
}
