/** Circles in what refers to what: imports of TypeScript, includes and calls of C. */

/** From one file to another, and the line that says so. */
export interface Arrow {
  to: string;
  line: number;
}

export interface Circle {
  /** Where the arrow that closes it starts. */
  path: string;
  line: number;
  /** `a → b → a` */
  text: string;
}

export type Graph = ReadonlyMap<string, readonly Arrow[]>;

/** Circles between files, each told once, at the first arrow that closes it; arrows to what is not in the graph are ignored. */
export function circlesOf(graph: Graph): Circle[] {
  const done = new Set<string>();
  const found: Circle[] = [];
  const follow = (file: string, trail: readonly string[]): void => {
    if (done.has(file)) return;
    const path = [...trail, file];
    const arrows = new Map((graph.get(file) ?? []).toReversed().map(({ to, line }) => [to, line]));
    for (const [to, line] of [...arrows].toReversed()) {
      if (!graph.has(to)) continue;
      const start = path.indexOf(to);
      if (start < 0) follow(to, path);
      else found.push({ path: file, line, text: [...path.slice(start), to].join(' → ') });
    }
    done.add(file);
  };
  for (const file of graph.keys()) follow(file, []);
  return found;
}
