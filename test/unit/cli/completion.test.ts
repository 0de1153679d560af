import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../../control/cli/completion.js';
import { buildProgram } from '../../../control/cli/program.js';
import { reference } from '../../../control/cli/reference.js';

const program = await buildProgram();

/** What bash would offer for `words`, the last of which is being typed. */
function complete(...words: string[]): string[] {
  const script = `${completionScript(program, 'bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sidetrack; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean);
}

describe('bash completion', () => {
  it('offers commands, subcommands and options', () => {
    expect(complete('sidetrack', 'pl')).toEqual(['plan']);
    expect(complete('sidetrack', 'lab', '')).toEqual(
      expect.arrayContaining(['up', 'down', 'exec']),
    );
    expect(complete('sidetrack', 'plan', '--on')).toEqual(['--only']);
  });

  it('does not take the value of an option for a command', () => {
    expect(complete('sidetrack', 'plan', '-c', 'x.yaml', '--on')).toEqual(['--only']);
    expect(complete('sidetrack', 'lab', 'up', '--name', 'second', '--n')).toEqual(['--name']);
  });
});

describe('zsh and fish', () => {
  it('are accepted by the shells where those are installed', () => {
    for (const shell of ['zsh', 'fish']) {
      const { error, status } = spawnSync(shell, ['-n'], {
        input: completionScript(program, shell),
      });
      if (!error) expect(status).toBe(0);
    }
    expect(completionScript(program, 'fish')).toContain("-a plan -d 'Show what apply would do");
  });

  it('an unknown shell is an error', () => {
    expect(() => completionScript(program, 'tcsh')).toThrow('no completion for "tcsh"');
  });
});

describe('one command alone', () => {
  it.each(program.commands.map((one) => one.name()))(
    '%s is what it is in the whole tree',
    async (name) => {
      const alone = await buildProgram(name);
      const own = (tree: typeof program) =>
        tree.commands.find((one) => one.name() === name)?.helpInformation();
      expect(own(alone)).toBe(own(program));
      expect(own(alone)).toBeDefined();
    },
  );
});

describe('help', () => {
  it('starts with examples on every command', () => {
    const sections = reference(program).split('\n## ').slice(1);
    for (const section of sections) expect(section).toMatch(/^[^\n]*\n\n```\nExamples:\n/);
  });

  it('is what docs/cli.md says (make docs)', () => {
    const written = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
    expect(written.trimEnd()).toBe(reference(program).trimEnd());
  });
});
