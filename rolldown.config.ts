import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'rolldown';

const ROOT = fileURLToPath(new URL('.', import.meta.url));
const CLI = join(ROOT, 'control/cli');

/** A module that asks for its own place is told where `tsc` has put it: its files lie beside that. */
const ownPlaces: Plugin = {
  name: 'own-places',
  transform(code, id) {
    if (!id.startsWith(ROOT) || id.includes('/node_modules/')) return null;
    const compiled = relative(CLI, id).replace(/\.ts$/, '.js');
    return code.replaceAll('import.meta.url', `new URL('${compiled}', import.meta.url).href`);
  },
};

/**
 * The command line in one file for each command, and those that commands share. Node takes a quarter of a second to find
 * and open three hundred modules, which is longer than most commands work.
 */
export default defineConfig({
  input: join(CLI, 'main.ts'),
  platform: 'node',
  // Its compiled part is found from where it lies.
  external: ['ffi-rs'],
  plugins: [ownPlaces],
  resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
  output: { chunkFileNames: 'chunk-[name]-[hash].js' },
});
