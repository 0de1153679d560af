/** Ways to hosts that keep something open, so that the end of a command can close all of them. */

interface Closable {
  close(): Promise<void>;
}

const open = new Set<Closable>();

export function keepOpen(one: Closable): void {
  open.add(one);
}

export async function closeAll(): Promise<void> {
  const all = [...open];
  open.clear();
  await Promise.all(all.map((one) => one.close()));
}
