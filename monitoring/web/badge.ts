/** A state as shape, colour and word: who sees no colours, or nothing, is told as well. */
import { el, setAttribute, setText, svg } from './dom.js';
import type { Standing } from './place.js';

/** Circle, triangle, square, ring: told apart without their colours. */
const SHAPES: Readonly<Record<Standing['level'], string>> = {
  ok: 'M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10z',
  warning: 'M6 1L11.500 11H.500z',
  critical: 'M1.500 1.500h9v9h-9z',
  unknown:
    'M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10zM6 3.500a2.500 2.500 0 1 1 0 5a2.500 2.500 0 1 1 0-5z',
};

export interface Badge {
  element: HTMLElement;
  show(standing: Standing): void;
}

export function createBadge(): Badge {
  const path = svg('path', { 'fill-rule': 'evenodd' });
  const icon = svg('svg', { viewBox: '0 0 12 12', class: 'shape', 'aria-hidden': 'true' }, path);
  const word = el('span');
  const element = el('span', { class: 'badge' }, icon, word);
  return {
    element,
    show({ level, word: text }) {
      setAttribute(element, 'data-level', level);
      setAttribute(path, 'd', SHAPES[level]);
      setText(word, text);
    },
  };
}
