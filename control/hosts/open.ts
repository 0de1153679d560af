/** Ways to hosts that keep something open, so that the end of a command can close all of them. */

interface Closable {
  close(): Promise<void>;
}

const open = new Set<Closable>();

export function keepOpen(one: Closable): void {
  open.add(one);
}

/** It has been closed, and may be kept open again. */
export function forget(one: Closable): void {
  open.delete(one);
}

export async function closeAll(): Promise<void> {
  const all = [...open];
  open.clear();
  await Promise.all(all.map((one) => one.close()));
}
