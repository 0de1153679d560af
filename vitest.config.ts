import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Each file makes a lab of its own and waits for conditions, so they run side by side; a lab needs most of a core. */
const MOST_LABS = 4;

/** Files that make network namespaces. */
const lab = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  maxWorkers: Math.min(availableParallelism(), MOST_LABS),
};
const netns = { ...lab, include: ['test/netns/**/*.test.ts'] };

// A test that runs make of its own shares no jobs with the make that runs the tests, and hears no complaints about that.
delete process.env.MAKEFLAGS;

export default defineConfig({
  test: {
    pool: 'forks',
    // What a test that passes has printed is of no interest; nor is that it took its time.
    silent: 'passed-only',
    slowTestThreshold: 10_000,
    tags: [
      { name: 'long', description: '`make test` leaves it out, `make test-long` runs it' },
      { name: 'emulator', description: '`make test-kernel` runs it, in an emulated machine' },
    ],
    projects: [
      // Nothing here waits for anything, but some count to a million, and a machine may be busy.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 60_000,
          maxWorkers: availableParallelism(),
        },
      },
      // Loads programs into the kernel, as root.
      { extends: true, test: { ...lab, name: 'bpf', include: ['test/bpf/**/*.test.ts'] } },
      { extends: true, test: { ...netns, name: 'netns' } },
      // The same files with another classifier.
      ...['ebpf-mark', 'ebpf-redirect'].map((classifier) => ({
        extends: true as const,
        test: { ...netns, name: classifier, env: { SIDETRACK_CLASSIFIER: classifier } },
      })),
    ],
  },
});
