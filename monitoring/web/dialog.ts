/** The one dialog of the page: questions, the token, explanations. Escape closes it; focus goes back to where it was. */
import { byId, el } from './dom.js';

export interface Choice {
  label: string;
  /** The dialog closes when it is done; what it throws is told in the dialog. */
  act?: () => Promise<void> | void;
  isDangerous?: boolean;
}

/** @param content built of texts; the first field or button gets the focus. What was shown before is replaced. */
export function openDialog(
  title: string,
  content: readonly Node[],
  choices: readonly Choice[],
): void {
  const dialog = byId('dialog', HTMLDialogElement);
  const heading = el('h2', { id: 'dialog-title' }, title);
  const problem = el('p', { class: 'problem', role: 'alert' });
  const buttons = choices.map(({ label, act, isDangerous }, i) => {
    const isMain = i === 0 && act !== undefined;
    const button = el(
      'button',
      { type: isMain ? 'submit' : 'button', class: isDangerous ? 'danger' : '' },
      label,
    );
    if (!isMain) button.addEventListener('click', () => dialog.close());
    return button;
  });
  const form = el(
    'form',
    {},
    heading,
    ...content,
    problem,
    el('div', { class: 'buttons' }, ...buttons),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    problem.textContent = '';
    for (const button of buttons) button.disabled = true;
    try {
      await choices[0]?.act?.();
      dialog.close();
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
    }
    for (const button of buttons) button.disabled = false;
  });
  dialog.replaceChildren(form);
  if (!dialog.open) dialog.showModal();
}

/** @param enter throws what is wrong with the token: that is said beside the field, which keeps what was typed. */
export function askForToken(enter: (token: string) => Promise<void>): void {
  const field = el('input', {
    id: 'token-field',
    type: 'password',
    autocomplete: 'off',
    required: true,
    maxlength: 4096,
  });
  openDialog(
    'Token',
    [
      el(
        'p',
        {},
        'The server shows this to readers with a token. It is the content of the file that ',
        el('code', {}, 'bearer_token_file'),
        ' in its configuration names.',
      ),
      el('label', { for: 'token-field' }, 'Token'),
      field,
      el('p', { class: 'muted' }, 'It is kept in this tab until it is closed.'),
    ],
    [{ label: 'Use it', act: () => enter(field.value.trim()) }, { label: 'Cancel' }],
  );
}

export function showKeys(): void {
  const keys: readonly (readonly [string, string])[] = [
    ['/', 'search the connections'],
    ['p', 'pause, and go on'],
    ['t', 'light or dark'],
    ['?', 'these keys'],
    ['↑ ↓', 'from row to row of the connections'],
    ['Enter', 'on a row: why this connection came here'],
    ['Delete', 'on a row: close this connection'],
    ['Escape', 'close a dialog, leave the search'],
  ];
  const list = el(
    'dl',
    { class: 'keys' },
    ...keys.flatMap(([key, does]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, does)]),
  );
  openDialog('Keys', [list], [{ label: 'Close' }]);
}
