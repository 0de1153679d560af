/** A run-book as a page beside the live page, in its colours: text alone, the same for all who ask. Pure. */
import { escapeHtml, markdownToHtml } from './markdown.js';

/** Relative, so that they lead to the same place behind a proxy that has a path of its own. */
const frame = (title: string, body: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="referrer" content="no-referrer" />
    <meta name="color-scheme" content="light dark" />
    <title>${escapeHtml(title)}</title>
    <link rel="icon" href="../web/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="../web/page.css" />
    <link rel="stylesheet" href="../web/dark.css" id="dark" media="(prefers-color-scheme: dark)" />
    <script type="module" src="../web/runbook.js"></script>
  </head>
  <body class="runbook">
    <nav aria-label="Pages"><a href="../">Live page</a> <a href="./">All run-books</a></nav>
    <main class="text">
${body}    </main>
  </body>
</html>
`;

/** Other run-books are here; the other documents are not, so their names stay text. */
const linkTo = (href: string) => /^(\w+)\.md$/.exec(href)?.[1];

/** @param name of the alert @throws Error with the line that cannot be shown */
export const runbookPage = (name: string, markdown: string): string =>
  frame(name, markdownToHtml(markdown, linkTo));

/** A link to each. */
export function runbookIndex(names: readonly string[]): string {
  const items = names.map(
    (name) => `<li><a href="${escapeHtml(name)}">${escapeHtml(name)}</a></li>\n`,
  );
  return frame('Run-books', `<h1>Run-books</h1>\n<ul>\n${items.join('')}</ul>\n`);
}
