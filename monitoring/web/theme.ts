/** Light or dark: as the system says, or as the reader chose. The dark colours are a style sheet of their own. */
import { byId, setText } from './dom.js';

const KEY = 'sidetrack-theme';
const THEMES = ['auto', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

const LABELS: Readonly<Record<Theme, string>> = { auto: 'Auto', light: 'Light', dark: 'Dark' };
const MEDIA: Readonly<Record<Theme, string>> = {
  auto: '(prefers-color-scheme: dark)',
  light: 'not all',
  dark: 'all',
};

const isTheme = (word: string | null): word is Theme => THEMES.some((known) => known === word);

/** For a page where nothing is chosen. */
export function applyTheme(): void {
  byId('dark', HTMLLinkElement).media = MEDIA[read()];
}

/** @param changed called after each change, also of the system's. @returns turns to the next. */
export function startTheme(changed: () => void): () => void {
  const sheet = byId('dark', HTMLLinkElement);
  const button = byId('theme', HTMLButtonElement);
  let theme: Theme = read();
  const show = () => {
    sheet.media = MEDIA[theme];
    setText(button, `Theme: ${LABELS[theme].toLowerCase()}`);
  };
  const next = () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'auto';
    write(theme);
    show();
    // A sheet takes effect after this turn.
    setTimeout(changed);
  };
  show();
  button.addEventListener('click', next);
  matchMedia(MEDIA.auto).addEventListener('change', changed);
  return next;
}

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return isTheme(kept) ? kept : 'auto';
  } catch {
    return 'auto';
  }
}

function write(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It is kept until the page is left.
  }
}
