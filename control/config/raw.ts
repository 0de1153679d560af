/** Looking into parsed YAML of a shape that is not checked yet. */

export type Path = readonly (string | number)[];
export type RawMap = Readonly<Record<string, unknown>>;

export function asMap(value: unknown): RawMap {
  return isMap(value) ? value : {};
}

export function isMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value at a path, or `undefined`; never something inherited from Object. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) {
      return undefined;
    }
    value = (value as RawMap)[step];
  }
  return value;
}

/** `servers[0].port` */
export function formatPath(path: Path): string {
  return path.reduce<string>((textSoFar, step) => {
    if (typeof step === 'number') return `${textSoFar}[${step}]`;
    return textSoFar === '' ? step : `${textSoFar}.${step}`;
  }, '');
}
