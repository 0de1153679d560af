/**
 * A plan as shell scripts that a person carries to the host: `up` does what apply does, `down` takes everything away.
 * They need sh, nft and ip, run under dash and BusyBox, and know nothing of the machine on which they were made. Pure.
 */
import { scriptLine } from '../command/batch.js';
import type { Command } from '../command/command.js';
import { shellWord, shellWords } from '../command/shell.js';
import { lockPath, savedListingPath, savedStatePath } from './paths.js';
import type { Step } from './step.js';

export interface ScriptPlan {
  /** The host's name and address. */
  name: string;
  address: string;
  stateDir: string;
  /** Of the program that makes the scripts. */
  program: string;
  /** The words that reach the host from its machine (`nsenter …`); none where it is the machine. */
  enter: readonly string[];
  /** What the host must have for the steps to fit. */
  found: { state: string; table: boolean };
  steps: readonly Step[];
  /** What is to be written down behind the last step. */
  saved: { state: string; writes: readonly Command[]; stale: readonly string[] };
  /** Prints the table, for the state file. */
  listing: Command;
  /** What takes everything away, also what was there before the steps and what may not be there. */
  removal: readonly Step[];
  /** Directories that go when they are empty, from the innermost on. */
  directories: readonly string[];
}

/** Tells scripts of ours from other files. */
export const SCRIPT_MARK = '# Made by sidetrack';

export function upScript(plan: ScriptPlan): string {
  const { steps, saved, found, listing, directories } = plan;
  const remembers = steps.flatMap(({ remembers: first }, i) => (first ? [i + 1] : []));
  return [
    ...head(plan, 'up', `brings ${plan.name} (${plan.address}) to the configured state`),
    `total=${steps.length}`,
    `kept=${steps.filter(({ afterConfirm }) => !afterConfirm).length}`,
    `remembers=${shellWord(remembers.join(' '))}`,
    `directories=${shellWord(shellWords(directories))}`,
    `state_before() { ${printed(found.state)}; }`,
    `state_after() { ${printed(saved.state)}; }`,
    `table_before=${found.table ? 'yes' : 'no'}`,
    ...steps.flatMap(stepFunctions),
    shellFunction('save', [
      // In it are the tags of heartbeats.
      `(umask 077 && ${scriptLine(listing)} >"$listing.new") && mv "$listing.new" "$listing"`,
      ...saved.writes.map(scriptLine),
      '(umask 077 && state_after >"$state.new") && mv "$state.new" "$state"',
      ...(saved.stale.length > 0 ? [`rm -f ${shellWords(saved.stale)}`] : []),
    ]),
    UP,
  ].join('\n');
}

export function downScript(plan: ScriptPlan): string {
  const { removal, directories } = plan;
  return [
    ...head(
      plan,
      'down',
      `takes everything of sidetrack's away from ${plan.name} (${plan.address})`,
    ),
    `total=${removal.length}`,
    `directories=${shellWord(shellWords(directories))}`,
    ...removal.flatMap((step, i) => [
      title(step, i),
      shellFunction(`do_${i + 1}`, [quietly(step)]),
    ]),
    DOWN,
  ].join('\n');
}

function head({ name, stateDir, program, enter }: ScriptPlan, verb: string, what: string) {
  const own = '"$0" "$@"';
  const there =
    enter.length === 0
      ? []
      : [
          `[ "\${SIDETRACK_ENTERED-}" = ${shellWord(name)} ] || {`,
          `  SIDETRACK_ENTERED=${shellWord(name)}; export SIDETRACK_ENTERED`,
          `  exec ${shellWords(enter)} sh ${own}`,
          '}',
        ];
  return [
    '#!/bin/sh',
    `${SCRIPT_MARK} ${program}, ${verb}: ${what}.`,
    '# Run it as root there: it needs sh, nft and ip.',
    ...there,
    'LC_ALL=C; export LC_ALL',
    `name=${shellWord(name)}`,
    `dir=${shellWord(stateDir)}`,
    `state=${shellWord(savedStatePath(stateDir))}`,
    `listing=${shellWord(savedListingPath(stateDir))}`,
    `lock=${shellWord(lockPath(stateDir))}`,
    COMMON,
  ];
}

const printed = (text: string) => (text === '' ? ':' : scriptLine({ argv: ['cat'], stdin: text }));

function stepFunctions(step: Step, index: number): string[] {
  const number = index + 1;
  const line = quietly(step);
  const optional = `${line} || say "not done, and not needed either: $(title_${number})"`;
  return [
    title(step, index),
    shellFunction(`do_${number}`, [step.optional ? optional : line]),
    shellFunction(`undo_${number}`, step.undo.map(quietly)),
  ];
}

const title = (step: Step, index: number) =>
  `title_${index + 1}() { printf '%s\\n' ${shellWord(step.title)}; }`;

/** tee shows what it writes; a script need not. */
const quietly = (command: Command) =>
  `${scriptLine(command)}${command.argv[0] === 'tee' ? ' >/dev/null' : ''}`;

/** Ends at the first line that fails. */
function shellFunction(name: string, lines: readonly string[]): string {
  return [`${name}() {`, ...lines.map((line) => `  ${line} || return`), '  return 0', '}'].join(
    '\n',
  );
}

const COMMON = `
journal=$dir/script
say() { printf '%s\\n' "$name: $*" >&2; }

# The lock of sidetrack itself, where there is flock(1); it goes with this process.
take_lock() {
  [ ! -e "$dir/change/pending" ] || { say "a change waits to be confirmed: sidetrack confirm"; exit 1; }
  mkdir -p "$dir" || exit 1
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>>"$lock"
  flock -n 9 && [ /proc/self/fd/9 -ef "$lock" ] || { say "another sidetrack is changing this host: $(cat "$lock")"; exit 75; }
  read -r machine </proc/sys/kernel/hostname
  printf '{"machine":"%s","pid":%s}\\n' "$machine" $$ | cat >"$lock"
}
`;

const UP = `
# Newest first. What down needs stays where anything else is left.
put_back() {
  trap '' INT TERM HUP
  left=
  begun=
  for n in $(cat "$journal"); do begun="$n $begun"; done
  for n in $begun; do
    case " $remembers " in *" $n "*) [ -z "$left" ] || continue ;; esac
    # The newest may have done nothing, and then there is nothing to undo.
    undo_$n 2>"$journal.said" || [ "$n" = "\${begun%% *}" ] || { left=yes; say "not put back: $(title_$n): $(cat "$journal.said")"; }
  done
  rm -f "$journal" "$journal.said"
  [ -n "$left" ] || rm -f "$listing" "$listing.new"
}

leave() {
  rm -f "$lock"
  rmdir $directories 2>/dev/null
  exit "$1"
}

failed() {
  put_back
  [ -z "$left" ] && say "$1; every change was put back" || say "$1; not everything could be put back"
  leave 1
}

main() {
  # A lost session takes standard error along; what was begun is put back all the same.
  trap '' PIPE
  take_lock
  if [ -e "$journal" ]; then
    say "an earlier run did not end: what it did is put back first"
    put_back
    [ -z "$left" ] || leave 1
  fi
  now=$(cat "$state" 2>/dev/null)
  if [ "$now" = "$(state_after)" ] && [ -e "$listing" ]; then
    say "this has run already: nothing changes"
    leave 0
  fi
  case $(nft list tables inet 2>/dev/null) in *"inet sidetrack"*) table=yes ;; *) table=no ;; esac
  if [ "$now" != "$(state_before)" ] || [ $table != $table_before ]; then
    say "the host is not as it was when this was made; make it anew: sidetrack plan --sh DIR"
    leave 1
  fi
  : >"$journal" || leave 1
  trap 'failed "interrupted"' INT TERM HUP
  n=1
  while [ $n -le $kept ]; do
    say "$(title_$n)"
    echo $n >>"$journal"
    do_$n || failed "step \\"$(title_$n)\\" failed"
    n=$((n + 1))
  done
  save || failed "the state could not be saved"
  trap - INT TERM HUP
  rm -f "$journal"
  # For the next boot: what stands, stands.
  while [ $n -le $total ]; do
    say "$(title_$n)"
    do_$n || { say "this is done, but the next boot does not bring it back: step \\"$(title_$n)\\" failed"; leave 5; }
    n=$((n + 1))
  done
  say "done: $total steps"
  leave 0
}

# Behind everything else: a script that is cut off does nothing.
main "$@"
`;

const DOWN = `
# What is not there needs no removal.
take_away() {
  said=$(do_$1 2>&1) && return 0
  case $said in
    *"No such file"* | *"No such process"* | *"No such device"* | *"Cannot find device"* | *"nonexistent"* | *"FIB table does not exist"*) return 0 ;;
  esac
  say "not done: $(title_$1): $said"
  return 1
}

main() {
  # Half a removal is of no use, also where the session is lost.
  trap '' PIPE HUP
  take_lock
  bad=0
  n=1
  while [ $n -lt $total ]; do
    say "$(title_$n)"
    take_away $n || bad=1
    n=$((n + 1))
  done
  # The last one forgets what the others need.
  if [ $bad = 0 ]; then
    take_away $total || bad=1
    rm -f "$journal" "$journal.said"
    say "as before sidetrack"
  else
    say "not everything could be removed; run it again"
  fi
  rm -f "$lock"
  rmdir $directories 2>/dev/null
  exit $bad
}

main "$@"
`;
