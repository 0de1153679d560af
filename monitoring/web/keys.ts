/** Single keys for the whole page. They mean nothing while somebody writes or a dialog is open. */

export function startKeys(acts: Readonly<Record<string, () => void>>): void {
  addEventListener('keydown', (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof HTMLElement && target.closest('dialog') !== null) return;
    const isField =
      target instanceof HTMLInputElement && ['search', 'text', 'password'].includes(target.type);
    if (isField) {
      if (key === 'Escape') target.blur();
      return;
    }
    const act = acts[key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
}
