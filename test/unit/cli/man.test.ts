/** The manual page: made from every command, and what groff thinks of it. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { manual } from '../../../control/cli/man.js';
import { buildProgram } from '../../../control/cli/program.js';

const page = manual(await buildProgram());
const groff = (...args: string[]) =>
  spawnSync('groff', ['-man', '-Tascii', ...args], { encoding: 'utf8', input: page });

describe('the manual page', () => {
  it('has a section for each command, its options and its examples', async () => {
    const { commands } = await buildProgram();
    for (const command of commands) expect(page).toContain(`.SS "sidetrack ${command.name()}`);
    expect(page).toContain('.B \\-c, \\-\\-config <file>');
    expect(page).toContain('sudo sidetrack init');
  });

  it('has no word that roff would take for a request or an escape', () => {
    const requests = page.split('\n').filter((line) => /^[.']/.test(line));
    for (const line of requests) expect(line).toMatch(/^\.(TH|SH|SS|TP|PP|nf|fi|B|I|BR)( |$)/);
    expect(page.replaceAll(/\\(-|e|&|\(dq)/g, '')).not.toContain('\\');
  });

  it.skipIf(groff('-v').status !== 0)('is understood by groff', () => {
    const { stdout, stderr } = groff('-ww');
    expect(stderr).toBe('');
    expect(stdout).toContain('SO_ORIGINAL_DST');
  });
});
