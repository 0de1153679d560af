import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/tools/longest-first.js';

/**
 * Each file makes a lab of its own, so they run side by side. A lab needs most of a core while it works, and nothing while
 * it waits for a condition: one more than there are cores keeps them busy.
 */
const WORKERS = availableParallelism() + 1;
const MOST_LABS = 4;

/** Files that make network namespaces. */
const lab = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  maxWorkers: Math.min(WORKERS, MOST_LABS),
};
const netns = { ...lab, include: ['test/netns/**/*.test.ts'] };
/** What `make test` shows with the eBPF classifier. */
const sample = { ...lab, include: ['test/netns/steering.test.ts'] };

// A test that runs make of its own shares no jobs with the make that runs the tests, and hears no complaints about that.
delete process.env.MAKEFLAGS;

export default defineConfig({
  test: {
    pool: 'forks',
    // What a test that passes has printed is of no interest; nor is that it took its time.
    silent: 'passed-only',
    slowTestThreshold: 10_000,
    sequence: { sequencer: LongestFirst },
    tags: [
      { name: 'long', description: '`make test` leaves it out, `make test-long` runs it' },
      { name: 'emulator', description: '`make test-kernel` runs it, in an emulated machine' },
    ],
    projects: [
      // Few of these wait for anything, but some count to a million, and a machine may be busy.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 60_000,
          maxWorkers: WORKERS,
        },
      },
      // Loads programs into the kernel, as root.
      { extends: true, test: { ...lab, name: 'bpf', include: ['test/bpf/**/*.test.ts'] } },
      { extends: true, test: { ...netns, name: 'netns' } },
      // The same files with another classifier.
      ...['ebpf-mark', 'ebpf-redirect'].flatMap((classifier) => {
        const env = { SIDETRACK_CLASSIFIER: classifier };
        return [
          { extends: true as const, test: { ...netns, name: classifier, env } },
          { extends: true as const, test: { ...sample, name: `${classifier}-sample`, env } },
        ];
      }),
    ],
  },
});
