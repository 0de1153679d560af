/** Prints docs/cli.md: `node build/control/cli/reference.js > docs/cli.md`. */
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { print } from './output.js';
import { buildProgram } from './program.js';

/** Every command's help, as Markdown. */
export function reference(program: Command): string {
  const sections = allCommands(program, []).map(({ path, help }) => {
    const title = ['sidetrack', ...path].join(' ');
    return `## ${title}\n\n\`\`\`\n${help.trimEnd()}\n\`\`\`\n`;
  });
  const intro = '# Command line\n\nGenerated from the program; `make docs` writes it anew.\n';
  return [intro, ...sections].join('\n');
}

function allCommands(
  command: Command,
  path: readonly string[],
): { path: string[]; help: string }[] {
  const children = command.commands.flatMap((child) => allCommands(child, [...path, child.name()]));
  return [{ path: [...path], help: helpOf(command) }, ...children];
}

/** Help as it is printed, examples included; commander only writes it. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 90,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  print(reference(await buildProgram()).trimEnd());
