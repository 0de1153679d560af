import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'load',
    pool: 'forks',
    include: ['test/load/**/*.bench.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
});
