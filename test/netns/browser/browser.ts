/** Debian's Chromium without a screen, on this machine or on a node of a lab. */
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Lab } from '../../../control/lab/lab.js';

/** Runs in the page, before its own scripts. */
const PROBE = fileURLToPath(new URL('probe.mjs', import.meta.url));

/** Where it is; `undefined` where it is not installed. With SIDETRACK_REQUIRE_ALL that is a failure. */
export const CHROMIUM = find('chromium');

function find(name: string): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  const found = path.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined && process.env.SIDETRACK_REQUIRE_ALL === '1')
    throw new Error(`${name} is missing: test/tools/deps.sh test installs it`);
  return found;
}

/** Many other programs may be busy on this machine. */
const PATIENCE_MS = 15_000;

export interface BrowserOptions {
  /** Inside of it, on the node. */
  place?: { lab: Lab; node: string };
  width?: number;
  height?: number;
  theme?: 'light' | 'dark';
  reducedMotion?: 'reduce' | 'no-preference';
}

export interface TestBrowser {
  context: BrowserContext;
  /** A page that has said nothing wrong so far; see `complaints`. */
  open(url: string): Promise<Page>;
  /** Errors of scripts, of the console and of the content security policy, of all pages so far. */
  complaints: string[];
  close(): Promise<void>;
}

export async function startBrowser(options: BrowserOptions = {}): Promise<TestBrowser> {
  const { place, width = 1280, height = 900, theme = 'light' } = options;
  const directory = mkdtempSync(join(tmpdir(), 'sidetrack-browser-'));
  const executablePath =
    place === undefined ? CHROMIUM! : wrapperOf(place.lab.wrap(place.node, [CHROMIUM!]), directory);
  const context = await chromium.launchPersistentContext(join(directory, 'profile'), {
    executablePath,
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: options.reducedMotion ?? 'no-preference',
    args: [
      // Its sandbox needs a user that is not root; it opens pages of ours alone.
      ...(process.getuid?.() === 0 || place !== undefined ? ['--no-sandbox'] : []),
      '--js-flags=--expose-gc',
      // /dev/shm may be small in a container.
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--no-proxy-server',
    ],
  });
  await context.addInitScript({ path: PROBE });
  const complaints: string[] = [];
  return {
    context,
    complaints,
    async open(url) {
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
      });
      await page.goto(url);
      return page;
    },
    async close() {
      await context.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Chromium's own descriptors and arguments pass through it. */
function wrapperOf(argv: readonly string[], directory: string): string {
  const words = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const path = join(directory, 'chromium');
  writeFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
