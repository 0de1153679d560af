/** Numbers as people read them: three digits, the unit behind a space. Pure; the terminal uses it, too. */

const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** What is not known. */
export const UNKNOWN = '–';

/** `999`, `1.23 k`, `45.6 M` */
function scaled(value: number, unit: string): string {
  let rest = value;
  let power = 0;
  while (rest >= 999.5 && power < DECIMAL.length - 1) {
    rest /= 1000;
    power++;
  }
  const digits = power === 0 ? 0 : rest < 9.995 ? 2 : rest < 99.95 ? 1 : 0;
  return `${rest.toFixed(digits)} ${DECIMAL[power]}${unit}`;
}

const isKnown = (value: number | undefined | null): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** `1.23 GB` */
export const formatBytes = (bytes: number | undefined | null): string =>
  isKnown(bytes) ? scaled(bytes, 'B') : UNKNOWN;

/** Bytes a second as what lines are sold by: `941 Mbit/s`. */
export const formatRate = (bytesPerSecond: number | undefined | null): string =>
  isKnown(bytesPerSecond) ? scaled(8 * bytesPerSecond, 'bit/s') : UNKNOWN;

/** `12 345`; a space that does not break, which reads the same in every language. */
export const formatCount = (value: number | undefined | null): string =>
  isKnown(value)
    ? Math.round(value)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, '\u{a0}')
    : UNKNOWN;

/** Events a second: `0.4/s`, `12/s`, `3.40 k/s`. */
export function formatFrequency(perSecond: number | undefined | null): string {
  if (!isKnown(perSecond)) return UNKNOWN;
  if (perSecond === 0) return '0/s';
  if (perSecond < 9.95) return `${perSecond < 0.05 ? '<0.1' : perSecond.toFixed(1)}/s`;
  return scaled(perSecond, '').trim().replace(/$/, '/s');
}

/** A short time: `340 µs`, `1.2 ms`, `34 ms`, `2.1 s`. */
export function formatSeconds(seconds: number | undefined | null): string {
  if (!isKnown(seconds)) return UNKNOWN;
  if (seconds === 0) return '0 ms';
  if (seconds < 0.0009995) return `${Math.max(Math.round(seconds * 1e6), 1)} µs`;
  const [value, unit] = seconds < 0.9995 ? [seconds * 1000, 'ms'] : [seconds, 's'];
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${unit}`;
}

/** A long time: `45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`. */
export function formatAge(seconds: number | undefined | null): string {
  if (!isKnown(seconds)) return UNKNOWN;
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (high: number, highUnit: string, low: number, lowUnit: string) =>
    low === 0 ? `${high} ${highUnit}` : `${high} ${highUnit} ${low} ${lowUnit}`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), 'min', whole % 60, 's');
  if (whole < 86_400)
    return two(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min');
  return two(Math.floor(whole / 86_400), 'd', Math.floor((whole % 86_400) / 3600), 'h');
}

/** `1 connection`, `2 connections` */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** `42 %` */
export const formatShare = (used: number, limit: number | undefined): string =>
  limit === undefined || limit <= 0 ? UNKNOWN : `${Math.round((100 * used) / limit)} %`;

/**
 * What another machine named, as one line: no control characters, no characters that turn the
 * direction of the text around, not longer than `most`.
 */
export function oneLine(text: string, most = 200): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Z}]+/gu, ' ').trim();
  const letters = [...clean];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : clean;
}
