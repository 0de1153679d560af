/** Whether what is shown is of now: the word at the top, which also says since when it is not. */
import { createBadge } from './badge.js';
import { byId, setText } from './dom.js';
import { formatAge, oneLine } from './format.js';
import type { Standing } from './place.js';

/** States come each second; one may be late. */
const LATE_SECONDS = 3;

export interface News {
  /** A state has come. */
  came(): void;
  lost(why: string): void;
  set isPaused(paused: boolean);
  set needsToken(needed: boolean);
}

export function startNews(announce: (text: string) => void): News {
  const place = byId('news', HTMLElement);
  const badge = createBadge();
  badge.element.id = 'news';
  place.replaceWith(badge.element);
  const reason = byId('reason', HTMLElement);
  let cameAt = performance.now();
  let hasCome = false;
  let why = '';
  let paused = false;
  let refused = false;
  let said = '';
  const standing = (): Standing => {
    const silent = (performance.now() - cameAt) / 1000;
    if (refused) return { level: 'warning', word: 'needs a token' };
    if (silent >= LATE_SECONDS && hasCome)
      return { level: 'critical', word: `no news since ${formatAge(silent)}` };
    if (silent >= LATE_SECONDS) return { level: 'critical', word: 'not connected' };
    if (paused) return { level: 'warning', word: 'paused' };
    return hasCome ? { level: 'ok', word: 'live' } : { level: 'unknown', word: 'connecting' };
  };
  const show = () => {
    const now = standing();
    badge.show(now);
    document.body.dataset.stale = String(now.level === 'critical');
    setText(reason, now.level === 'critical' && why !== '' ? oneLine(why, 200) : '');
    const kind = now.word.replace(/ since.*/, '');
    if (said !== '' && kind !== said) announce(kind);
    said = kind;
  };
  setInterval(show, 500);
  show();
  return {
    came() {
      cameAt = performance.now();
      hasCome = true;
      refused = false;
      why = '';
      show();
    },
    lost(reasonNow) {
      why = reasonNow;
      show();
    },
    set isPaused(value: boolean) {
      paused = value;
      show();
    },
    set needsToken(value: boolean) {
      refused = value;
      show();
    },
  };
}
