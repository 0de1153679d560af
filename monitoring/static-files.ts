/** The files of the live page and the run-books: read once, so that no path of a request ever reaches the file system. */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface StaticFile {
  type: string;
  body: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
  '.LICENSE': 'text/plain; charset=utf-8',
};

/** Beside the compiled code, or below build/ when the source itself is run. */
const FOLDERS = ['web', '../build/monitoring/web'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** Below the files of the page; asked for without their ending. */
const RUNBOOKS = 'runbooks';
/** The list of them. */
export const RUNBOOK_LIST = `/${RUNBOOKS}/`;
export const LIVE_PAGE = '/web/index.html';

/** By the path that it is asked for by; none when the page is not built. */
export function readStaticFiles(folders: readonly string[] = FOLDERS): Map<string, StaticFile> {
  const isBuilt = (folder: string) => names(folder).includes('main.js');
  const folder = folders.find(isBuilt);
  if (folder === undefined) return new Map();
  const path = (name: string) => `${RUNBOOK_LIST}${name.replace(/^index\.html$|\.html$/, '')}`;
  return new Map([
    ...readFolder(folder, (name) => `/web/${name}`),
    ...readFolder(join(folder, RUNBOOKS), path),
  ]);
}

function readFolder(folder: string, pathOf: (name: string) => string): Map<string, StaticFile> {
  const files = new Map<string, StaticFile>();
  for (const name of names(folder)) {
    const type = TYPES[extname(name)];
    if (type !== undefined)
      files.set(pathOf(name), { type, body: readFileSync(join(folder, name)) });
  }
  return files;
}

function names(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((one) => one.isFile()).map(({ name }) => name);
  } catch {
    return [];
  }
}
