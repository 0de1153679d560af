/** HTML that is made of text: what is not markup of ours is escaped, there is no other way in. */

/** Markup that is finished. */
export interface Html {
  readonly html: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for attributes in quotes. What steers a reader's device, or turns text around, is left out. */
export const escaped = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu, (one) => (one === '\n' ? one : ''))
    .replace(/[&<>"']/g, (one) => ENTITIES[one]!);

/** @param html of constants and of what is escaped */
export const rawHtml = (html: string): Html => ({ html });

export type Attributes = Readonly<Record<string, string | number>>;

export function element(
  name: string,
  content: string | readonly Html[],
  attributes: Attributes = {},
): Html {
  const inner =
    typeof content === 'string' ? escaped(content) : content.map(({ html }) => html).join('');
  const words = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${escaped(`${value}`)}"`,
  );
  return { html: `<${name}${words.join('')}>${inner}</${name}>` };
}

const isNumber = (text: string): boolean => /^-?[\d.]/.test(text);

/** In a box of its own, so that a narrow window scrolls the table and not the page. */
export function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): Html {
  const head = element(
    'tr',
    header.map((title, column) => {
      const isNumeric = rows.some((row) => isNumber(row[column] ?? ''));
      return element('th', title, { scope: 'col', ...(isNumeric && { class: 'number' }) });
    }),
  );
  const body = rows.map((row) =>
    element(
      'tr',
      row.map((cell) => element('td', cell, isNumber(cell) ? { class: 'number' } : {})),
    ),
  );
  const table = element('table', [element('thead', [head]), element('tbody', body)]);
  return element('div', [table], {
    class: 'scroll',
    tabindex: 0,
    role: 'region',
    'aria-label': header.filter(Boolean).slice(0, 3).join(', '),
  });
}
