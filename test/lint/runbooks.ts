/**
 * Pages about alerts: each alert has one, and what a page tells people to type exists: the command,
 * its options, and what is looked for among the metrics.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Violation } from './imports.js';

const HEADINGS = [
  '## What it means',
  '## What clients feel',
  '## How to see it',
  '## Causes, the most likely first',
  '## How to mend it',
  '## When to silence it',
];

export interface Known {
  alerts: readonly string[];
  program: Command;
  /** Lines of an exposition, one for each series that there can be. */
  samples: readonly string[];
}

interface Line {
  path: string;
  line: number;
  text: string;
}

export function checkRunbooks(root: string, known: Known): Violation[] {
  const folder = 'docs/runbooks';
  const files = readdirSync(join(root, folder)).sort();
  return [
    ...known.alerts
      .filter((alert) => !existsSync(join(root, folder, `${alert}.md`)))
      .map((alert) =>
        violation({ path: `${folder}/${alert}.md`, line: 1 }, 'this alert has no page'),
      ),
    ...files.flatMap((file) => checkPage(`${folder}/${file}`, join(root, folder, file), known)),
  ];
}

function checkPage(path: string, file: string, known: Known): Violation[] {
  const name = /^(\w+)\.md$/.exec(path.split('/').at(-1)!)?.[1];
  if (name === undefined || !known.alerts.includes(name))
    return [violation({ path, line: 1 }, 'there is no such alert')];
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .map((text, i) => ({ path, line: i + 1, text }));
  return [
    ...checkHeadings(path, name, lines),
    ...lines.flatMap((line) => [
      ...commandsOf(line).flatMap((words) => checkCommand(words, known.program, line)),
      ...checkMetrics(line, known.samples),
    ]),
  ];
}

function checkHeadings(path: string, name: string, lines: readonly Line[]): Violation[] {
  const headings = lines.map(({ text }) => text).filter((text) => text.startsWith('#'));
  const wanted = [`# ${name}`, ...HEADINGS];
  if (headings.join('\n') === wanted.join('\n')) return [];
  return [violation({ path, line: 1 }, `its headings are not: ${wanted.join(', ')}`)];
}

/** Of a line of shell, or between backticks: the words behind `sidetrack`. */
function commandsOf({ text }: Line): string[][] {
  const spans = [...text.matchAll(/`([^`]+)`/g)].map(([, span]) => span!);
  const shell = text.replace(/ #.*$/, '');
  return [...spans, ...shell.split(/[|;]|&&/)]
    .map((one) => /^\s*(?:sudo )?sidetrack (.+)$/.exec(one)?.[1])
    .filter((one) => one !== undefined)
    .map((one) => one.trim().split(/\s+/));
}

function checkCommand(words: readonly string[], program: Command, at: Line): Violation[] {
  const [word, ...rest] = words;
  const command = program.commands.find((one) => one.name() === word);
  if (command === undefined) return [violation(at, `there is no command "sidetrack ${word}"`)];
  if (command.commands.length > 0) return checkCommand(rest, command, at);
  return rest.flatMap((option, i) => {
    if (!option.startsWith('-')) return [];
    const found = command.options.find(({ long, short }) => [long, short].includes(option));
    if (found === undefined) return [violation(at, `"sidetrack ${word}" has no ${option}`)];
    const value = rest[i + 1] ?? '';
    if (found.argChoices?.includes(value) ?? true) return [];
    return [violation(at, `"sidetrack ${word} ${option}" is not ${value}`)];
  });
}

function checkMetrics(at: Line, samples: readonly string[]): Violation[] {
  const named = at.text.match(/\bsidetrack_\w+/g) ?? [];
  const unknown = named
    .filter((name) => !samples.some((sample) => sample.startsWith(`${name}{`)))
    .map((name) => violation(at, `there is no metric ${name}`));
  const pattern = /\/metrics \| grep (?:-E )?(?:'([^']+)'|(\S+))/.exec(at.text);
  const text = pattern?.[1] ?? pattern?.[2];
  if (text === undefined || samples.some((sample) => new RegExp(text).test(sample))) return unknown;
  return [...unknown, violation(at, `no metric matches ${text}`)];
}

const violation = ({ path, line }: Omit<Line, 'text'>, message: string): Violation => ({
  path,
  line,
  message,
});
