/** Shapes of an SVG as text. Coordinates are pixels, with a decimal at most: pictures are committed. */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Grafana's classic palette. */
export const PALETTE = [
  '#56a64b',
  '#f2a20c',
  '#3274d9',
  '#ff780a',
  '#e02f44',
  '#1f60c4',
  '#a352cc',
  '#806eb7',
  '#37872d',
  '#d683ce',
  '#0a437c',
  '#6d1f62',
];

/** Names that thresholds have. */
export const LEVELS: Readonly<Record<string, string>> = {
  green: '#37872d',
  orange: '#e55400',
  red: '#c4162a',
};

export const short = (value: number): string => String(Number(value.toFixed(1)));

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

export const rectangle = ({ x, y, width, height }: Box, fill: string, more = ''): string =>
  `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${fill}"${more}/>`;

export interface TextOptions {
  size?: number;
  color?: string;
  anchor?: 'start' | 'middle' | 'end';
  bold?: boolean;
  /** In pixels; what is longer ends in an ellipsis. */
  room?: number;
}

/** Width of a letter of this font, as a part of its size. */
const LETTER = 0.55;

export function text(x: number, y: number, content: string, options: TextOptions = {}): string {
  const { size = 12, color = '#3b3e45', anchor = 'start', bold = false, room } = options;
  const most = room === undefined ? content.length : Math.floor(room / (size * LETTER));
  const shown = content.length <= most ? content : `${content.slice(0, Math.max(1, most - 1))}…`;
  const weight = bold ? ' font-weight="600"' : '';
  return `<text x="${short(x)}" y="${short(y)}" font-size="${size}" fill="${color}" text-anchor="${anchor}"${weight}>${escaped(shown)}</text>`;
}

export const line = (
  from: readonly [number, number],
  to: readonly [number, number],
  more: string,
) => `<path d="M${from.map(short).join(' ')}L${to.map(short).join(' ')}" ${more}/>`;

export const path = (points: readonly (readonly [number, number])[], more: string): string =>
  `<path d="M${points.map((point) => point.map(short).join(' ')).join('L')}" ${more}/>`;

export const document = (
  title: string,
  { width, height }: { width: number; height: number },
  shapes: readonly string[],
): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Inter,Helvetica,Arial,sans-serif">`,
    `<title>${escaped(title)}</title>`,
    rectangle({ x: 0, y: 0, width, height }, '#f4f5f5'),
    ...shapes,
    '</svg>',
    '',
  ].join('\n');
