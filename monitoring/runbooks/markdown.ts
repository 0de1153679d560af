/**
 * HTML of the little Markdown that run-books are written in: headings, paragraphs, lists, blocks of shell, code and links.
 * Every character of the text is escaped, so no page can have an element that is not made here. Pure.
 */

/** @returns where it leads, or undefined where there is nothing to lead to. */
export type LinkTo = (href: string) => string | undefined;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

interface Block {
  /** Its first line begins so. */
  begins: RegExp;
  /** Which of the lines behind the first belong to it. */
  goesOn: (line: string) => boolean;
  html: (lines: readonly string[], linkTo: LinkTo) => string;
}

const ITEM = /^(?:\d+\.|-) /;
/** What would be shown as it is written: these pages do without. */
const UNKNOWN = /^(?:[|>*+]|#{3}|!\[|\s)|\*\*/;

const listOf =
  (name: 'ol' | 'ul'): Block['html'] =>
  (lines, linkTo) => {
    const items: string[][] = [];
    for (const line of lines)
      if (ITEM.test(line)) items.push([line.replace(ITEM, '')]);
      else items.at(-1)?.push(line.trim());
    const each = items.map((item) => `<li>${inlineHtml(item.join('\n'), linkTo)}</li>\n`);
    return `<${name}>\n${each.join('')}</${name}>\n`;
  };

const heading =
  (level: 1 | 2): Block['html'] =>
  ([line = ''], linkTo) =>
    `<h${level}>${inlineHtml(line.slice(level + 1), linkTo)}</h${level}>\n`;

const isItemOrIndented = (line: string) => ITEM.test(line) || /^ {2,3}\S/.test(line);
const never = () => false;

/** The first that fits. */
const BLOCKS: readonly Block[] = [
  { begins: /^# /, goesOn: never, html: heading(1) },
  { begins: /^## /, goesOn: never, html: heading(2) },
  { begins: /^\d+\. /, goesOn: isItemOrIndented, html: listOf('ol') },
  { begins: /^- /, goesOn: isItemOrIndented, html: listOf('ul') },
  {
    begins: /^\S/,
    goesOn: (line) => line !== '' && !ITEM.test(line) && !/^(?:#|```)/.test(line),
    html: (lines, linkTo) => `<p>${inlineHtml(lines.join('\n'), linkTo)}</p>\n`,
  },
];

/** @throws Error with the line that is none of what this knows. */
export function markdownToHtml(text: string, linkTo: LinkTo): string {
  const lines = text.split('\n');
  let html = '';
  for (let i = 0; i < lines.length; ) {
    const line = lines[i] ?? '';
    if (line === '') {
      i++;
    } else if (line.startsWith('```')) {
      const end = lines.indexOf('```', i + 1);
      if (end < 0) throw new Error(`line ${i + 1}: this block of code has no end`);
      html += `<pre tabindex="0">${escapeHtml(lines.slice(i + 1, end).join('\n'))}</pre>\n`;
      i = end + 1;
    } else {
      const block = BLOCKS.find(({ begins }) => begins.test(line));
      if (block === undefined || UNKNOWN.test(line))
        throw new Error(`line ${i + 1}: run-books have no such Markdown: ${line}`);
      let end = i + 1;
      while (end < lines.length && block.goesOn(lines[end] ?? '')) end++;
      html += block.html(lines.slice(i, end), linkTo);
      i = end;
    }
  }
  return html;
}

/** Code in backticks, links, emphasis, and text between them. */
function inlineHtml(text: string, linkTo: LinkTo): string {
  const parts = text.matchAll(/`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)|\*(\w[^*]*)\*|[^`[*]+|[`[*]/g);
  return [...parts]
    .map(([whole, code, words, href, stressed]) => {
      if (code !== undefined) return `<code>${escapeHtml(code.replace(/\s+/g, ' '))}</code>`;
      if (stressed !== undefined) return `<em>${escapeHtml(stressed)}</em>`;
      if (words === undefined || href === undefined) return escapeHtml(whole);
      const target = linkTo(href);
      const label = inlineHtml(words, () => undefined);
      return target === undefined ? label : `<a href="${escapeHtml(target)}">${label}</a>`;
    })
    .join('');
}
