/** The words of the search field, as what the server filters by. Pure. */

/** The command line's options are called the same. */
export const FILTER_WORDS = ['to', 'client', 'upstream', 'route'] as const;
type FilterWord = (typeof FILTER_WORDS)[number];

/** As `/connections.json` and `POST /connections/close` take it. */
export type ConnectionFilter = { q?: string } & { [word in FilterWord]?: string };

const isFilterWord = (word: string): word is FilterWord =>
  FILTER_WORDS.some((known) => known === word);

/**
 * `client=192.168.1.10 to=203.0.113.0/24 upstream="my vps" 443`: words with a name before `=` or `:` filter
 * by that, the rest is searched for. A later word of the same name takes the place of an earlier one.
 */
export function parseFilter(text: string): ConnectionFilter {
  const filter: ConnectionFilter = {};
  const rest: string[] = [];
  for (const [word, name = '', quoted, plain] of text.matchAll(
    /(?:([a-z]+)[=:])?(?:"([^"]*)"?|(\S+))/g,
  )) {
    const value = quoted ?? plain ?? '';
    if (isFilterWord(name)) filter[name] = value;
    else rest.push(name === '' ? value : word.replaceAll('"', ''));
  }
  const q = rest.join(' ').trim();
  return q === '' ? filter : { ...filter, q };
}

/** The filter with one word set; what was searched for otherwise stays. */
export function withWord(text: string, name: FilterWord, value: string): string {
  const others = text.replaceAll(new RegExp(`(^|\\s)${name}[=:](?:"[^"]*"?|\\S+)`, 'g'), ' ');
  const word = /[\s"]/.test(value) ? `${name}="${value.replaceAll('"', '')}"` : `${name}=${value}`;
  return `${others} ${word}`.trim().replace(/ {2,}/g, ' ');
}

export const isEmptyFilter = (filter: ConnectionFilter): boolean =>
  Object.keys(filter).length === 0;

/** `a.b.c.d` of `a.b.c.d:80`, `fd00::1` of `[fd00::1]:80`. */
export function hostOf(endpoint: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|(.*)):\d+$/.exec(endpoint) ?? [];
  return bracketed ?? plain ?? endpoint;
}
