/** What a picture of `sidetrack top` is made of. */
import type { TopState } from './model.js';
import type { Picture } from './picture.js';
import type { Listed } from './view.js';

export interface Size {
  columns: number;
  rows: number;
}

export type Style = 'plain' | 'bold' | 'dim' | 'selected' | 'good' | 'warning' | 'critical';

/** Parts of a line, each with a style. */
export type StyledLine = readonly { text: string; style: Style }[];

export interface Shown extends Size {
  state: TopState;
  picture: Picture;
  listed: Listed;
  /** What hinders: the relay that does not answer. */
  trouble?: string;
}

/** Above the rows: sums, health, views, titles; below them one line. */
const AROUND = 5;
/** Where the window has less, lines around the rows go. */
export const LOW = 9;

export const line = (text: string, style: Style = 'plain'): StyledLine => [{ text, style }];

/** How many rows of a list fit. */
export function pageOf({ rows }: Size): number {
  return Math.max(rows < LOW ? rows - 2 : rows - AROUND, 1);
}
