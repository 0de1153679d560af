import { defineConfig } from 'vitest/config';

/** These tests load programs into the kernel: root, and one file at a time. */
export default defineConfig({
  test: {
    name: 'bpf',
    pool: 'forks',
    include: ['test/bpf/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
