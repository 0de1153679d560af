/** What a change leaves on its host to be undone by: functions of a shell, for `command/change-program.ts`. Pure. */
import { scriptLine } from '../command/batch.js';
import type { Command } from '../command/command.js';
import { shellWord } from '../command/shell.js';

/** What of a step the host needs to undo it. */
export interface Undoable {
  title: string;
  undo: readonly Command[];
  /** Print what the step changes: the same before it and after its undo. */
  readBack?: readonly Command[];
  remembers?: true;
}

/**
 * Steps are numbered from 1, in the order in which they run.
 * @param kept what is done once the change is kept
 */
export function changeSteps(steps: readonly Undoable[], kept: readonly Command[] = []): string {
  const numbered = steps.map((step, index) => ({ ...step, number: index + 1 }));
  const listed = (chosen: readonly { number: number }[]) =>
    shellWord(chosen.map(({ number }) => number).join(' '));
  return [
    `looks=${listed(numbered.filter(({ readBack = [] }) => readBack.length > 0))}`,
    `remembers=${listed(numbered.filter(({ remembers }) => remembers))}`,
    ...numbered.map(
      ({ number, title }) => `title_${number}() { printf '%s\\n' ${shellWord(title)}; }`,
    ),
    ...numbered.map(({ number, undo }) => shellFunction(`undo_${number}`, undo, ' || bad=1')),
    ...numbered.map(({ number, readBack = [] }) =>
      shellFunction(`look_${number}`, readBack, ' || [ $? -lt 126 ] || bad=127'),
    ),
    shellFunction('kept', kept),
    '',
  ].join('\n');
}

/** Runs all of them; fails where one does that `otherwise` notes. */
function shellFunction(name: string, commands: readonly Command[], otherwise = ''): string {
  const lines = commands.map((command) => `  ${scriptLine(command)}${otherwise}`);
  return [`${name}() {`, '  bad=0', ...lines, '  return $bad', '}'].join('\n');
}
