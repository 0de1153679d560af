import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take most of a minute, the longest first. One that begins last keeps one core busy while the others have
 * nothing left to do, and in a new checkout nothing is known of earlier runs.
 */
const LONGEST = [
  'unit/command/change-program',
  'netns/ebpf',
  'netns/revert',
  'netns/relay-life',
  'netns/steering',
  'netns/ebpf-bad-input',
  'netns/rivals',
  'netns/ssh-bad-input',
  'bpf/lab',
  'netns/ssh-faults',
  'netns/long-lists',
  'netns/scripts',
  'netns/ssh-deploy',
  'netns/bad-input',
  'netns/capture',
  'netns/ebpf-crash',
  'netns/relay-package',
  'netns/apply-failure',
].map((name) => `test/${name}.test.ts`);

for (const file of LONGEST)
  if (!existsSync(file)) throw new Error(`${file} is no more: see LONGEST`);

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.indexOf(relative(this.ctx.config.root, moduleId));
      return index < 0 ? LONGEST.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
