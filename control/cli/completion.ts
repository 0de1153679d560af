/** Shell completion scripts, made from the command tree itself so that they cannot go stale. */
import type { Command } from 'commander';
import { SidetrackError } from '../error.js';

interface Entry {
  /** Words after `sidetrack`, e.g. `lab up`. */
  path: string;
  summary: string;
  options: { long: string; description: string }[];
  /** Names of the options that the next word belongs to. */
  valued: string[];
  subcommands: string[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export function completionScript(program: Command, shell: string): string {
  const entries = collect(program, []);
  switch (shell) {
    case 'bash':
      return bash(entries);
    case 'zsh':
      return `#compdef sidetrack\nautoload -U +X bashcompinit && bashcompinit\n${bash(entries)}`;
    case 'fish':
      return fish(entries);
    default:
      throw new SidetrackError(`no completion for "${shell}"`, {
        code: 'shell-unknown',
        source: 'user',
        hint: `choose one of ${SHELLS.join(', ')}`,
      });
  }
}

function collect(command: Command, path: readonly string[]): Entry[] {
  const children = command.commands.filter((child) => child.name() !== 'help');
  const options = command.options.map(({ long, description }) => ({
    long: long ?? '',
    description,
  }));
  const own = {
    path: path.join(' '),
    summary: command.summary() || command.description(),
    options: [...options, { long: '--help', description: 'show help' }],
    valued: command.options
      .filter(({ required, optional }) => required || optional)
      .flatMap(({ short, long }) => [short, long].filter((name) => name != null)),
    subcommands: children.map((child) => child.name()),
  };
  return [own, ...children.flatMap((child) => collect(child, [...path, child.name()]))];
}

function bash(entries: readonly Entry[]): string {
  const valued = [...new Set(entries.flatMap((entry) => entry.valued))].sort().join('|');
  const cases = entries.map(
    ({ path, options, subcommands }) =>
      `    "${path}") words="${[...subcommands, ...options.map(({ long }) => long)].join(' ')}" ;;`,
  );
  return `_sidetrack() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${valued}) ((++i == COMP_CWORD)) && { COMPREPLY=($(compgen -f -- "$word")); return; } ;;
      -*) ;;
      *) path="\${path:+$path }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
    *) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _sidetrack sidetrack
`;
}

function fish(entries: readonly Entry[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  const condition = (path: string) =>
    path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`;
  const summaries = new Map(entries.map(({ path, summary }) => [path, summary]));
  const lines = entries.flatMap(({ path, options, subcommands }) => [
    ...subcommands.map(
      (name) =>
        `complete -c sidetrack -f -n ${quote(condition(path))} -a ${name} -d ${quote(summaries.get(`${path} ${name}`.trim()) ?? '')}`,
    ),
    ...options.map(
      ({ long, description }) =>
        `complete -c sidetrack -n ${quote(condition(path))} -l ${long.slice(2)} -d ${quote(description)}`,
    ),
  ]);
  return `${lines.join('\n')}\n`;
}
