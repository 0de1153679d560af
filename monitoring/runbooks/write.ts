/** Writes the pages of all run-books: `node build/monitoring/runbooks/write.js FOLDER OUT`. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runbookIndex, runbookPage } from './page.js';

const [folder, out] = process.argv.slice(2);
if (folder === undefined || out === undefined) throw new Error('usage: write.js FOLDER OUT');

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.md'))
  .map((file) => basename(file, '.md'))
  .sort();
mkdirSync(out, { recursive: true });
for (const name of names) {
  const markdown = readFileSync(join(folder, `${name}.md`), 'utf8');
  try {
    writeFileSync(join(out, `${name}.html`), runbookPage(name, markdown));
  } catch (error) {
    throw new Error(`${folder}/${name}.md: ${error instanceof Error ? error.message : error}`);
  }
}
writeFileSync(join(out, 'index.html'), runbookIndex(names));
