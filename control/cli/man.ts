/** Prints sidetrack(1): `node build/control/cli/man.js > sidetrack.1`. Made from the command tree, like docs/cli.md. */
import { pathToFileURL } from 'node:url';
import type { Argument, Command, Option } from 'commander';
import { examplesOf } from './context.js';
import { print } from './output.js';
import { version } from './package.js';
import { buildProgram } from './program.js';

/** Requests of man(7) alone, which groff, mandoc and busybox' man understand. */
export function manual(program: Command): string {
  const [root, ...children] = allCommands(program, []);
  return [
    `.TH SIDETRACK 1 "" "sidetrack ${roff(version())}" "User Commands"`,
    '.SH NAME',
    `sidetrack \\- ${roff(decapitalised(program.description()))}`,
    '.SH SYNOPSIS',
    '.B sidetrack',
    roff(program.usage()),
    '.SH DESCRIPTION',
    line(`${program.description()}.`),
    'Every command has',
    '.BR \\-\\-help ,',
    'which begins with examples.',
    ...examples(root!.command),
    '.SH OPTIONS',
    ...options(root!.command),
    '.SH COMMANDS',
    ...children.flatMap(section),
    '.SH FILES',
    '.TP',
    '.I sidetrack.yaml, /etc/sidetrack/sidetrack.yaml',
    'The configuration, where \\-\\-config names no other.',
    '.TP',
    '.I /run/sidetrack',
    'What was changed on this machine, for the next apply and for down.',
    '.SH EXIT STATUS',
    '0: done. 1: a host refused, or is not as configured. 2: the command line or the configuration is wrong.',
    '',
  ].join('\n');
}

interface Named {
  path: readonly string[];
  command: Command;
}

function allCommands(command: Command, path: readonly string[]): Named[] {
  const children = command.commands.flatMap((child) => allCommands(child, [...path, child.name()]));
  return [{ path, command }, ...children];
}

function section({ path, command }: Named): string[] {
  return [
    `.SS "${roff(['sidetrack', ...path, command.usage()].join(' '))}"`,
    line(`${command.description()}.`),
    ...command.registeredArguments.flatMap(argument),
    ...options(command),
    ...examples(command),
  ];
}

const argument = (one: Argument) =>
  one.description === '' ? [] : entry(`.I ${roff(one.name())}`, one.description);

const options = (command: Command) => command.createHelp().visibleOptions(command).flatMap(option);

function option({ flags, description, defaultValue }: Option): string[] {
  const ending = defaultValue === undefined ? '' : ` (default: ${JSON.stringify(defaultValue)})`;
  return entry(`.B ${roff(flags)}`, description + ending);
}

const entry = (head: string, text: string) => ['.TP', head, line(text)];

function examples(command: Command): string[] {
  const lines = examplesOf(command);
  if (lines.length === 0) return [];
  return ['.PP', 'Examples:', '.PP', '.nf', ...lines.map((one) => line(`    ${one}`)), '.fi'];
}

/** Commander's words are the user's: none is a request of roff's. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll('\n', ' ');

/** A line of text may begin with what would be a request. */
const line = (text: string): string => roff(text).replace(/^(?=[.'])/, '\\&');

const decapitalised = (text: string): string => text[0]!.toLowerCase() + text.slice(1);

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  print(manual(await buildProgram()).trimEnd());
