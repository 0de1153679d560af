/** What puts files in the places that boot looks at, and takes them away, as scripts of sh. */
import type { Command } from '../command/command.js';
import {
  BOOT_PATHS,
  FIREWALL_CONFIG,
  FIREWALL_INCLUDE,
  FIREWALL_SECTION,
  INIT_SCRIPT,
  KEEP_UNIT,
  RESTORE_UNIT,
} from '../plan/boot-files.js';
import { type BootEntry, type Init, KEEP_DIRECTORY, KEEP_PROGRAM } from '../plan/persist.js';

/**
 * A file that waits beside its place, on the same file system. The dot hides it from all that reads these directories: rc.d,
 * hotplug and sysupgrade look at each name that has none.
 */
export const stagedPath = (path: string): string => path.replace(/\/([^/]+)$/, '/.$1.sidetrack');

/** On disk before anything stands in its place; a sync that knows no files is for all of them. */
const FUNCTIONS = `settle() { sync "$@" 2>/dev/null || sync; }
directory() { [ -d "$1" ] || (umask 022 && mkdir -p "$1"); }
`;

const STAGE_FILE = `${FUNCTIONS}directory "\${3%/*}" || exit 1
rm -f "$2" && (umask 077 && cat >"$2") && chmod "$1" "$2" && settle "$2" || { rm -f "$2"; exit 1; }`;

/** A program has to run there, too. */
const STAGE_COPY = `${FUNCTIONS}directory "\${3%/*}" || exit 1
rm -f "$2" && (umask 077 && cat "$4" >"$2") && chmod "$1" "$2" && settle "$2" && { [ ! -x "$2" ] || "$2" --version >/dev/null; } || { rm -f "$2"; exit 1; }`;

const STAGE_LINK = `${FUNCTIONS}directory "\${3%/*}" || exit 1
rm -f "$2" && ln -s "$1" "$2" || { rm -f "$2"; exit 1; }`;

/** Written, but in nobody's way. */
export function stage(entry: BootEntry): Command {
  const paths = [stagedPath(entry.path), entry.path];
  const common = { writes: entry.path, ...(isSecret(entry.path) && { isSecret: true as const }) };
  if ('link' in entry)
    return { argv: ['sh', '-c', STAGE_LINK, 'sh', entry.link, ...paths], ...common };
  const mode = entry.mode.toString(8);
  if ('copyOf' in entry)
    return { argv: ['sh', '-c', STAGE_COPY, 'sh', mode, ...paths, entry.copyOf], ...common };
  return { argv: ['sh', '-c', STAGE_FILE, 'sh', mode, ...paths], stdin: entry.content, ...common };
}

/** What is kept may hold keys of heartbeats. */
export const isSecret = (path: string): boolean => path.startsWith(`${KEEP_DIRECTORY}/`);

export const unstage = (path: string): Command => ({ argv: ['rm', '-f', stagedPath(path)] });

/**
 * The directory of what is kept, root's alone, with the list of directories that were not there before: there at once with
 * it, or not at all. $1: the directory, $2: the list.
 */
const BEGIN = `${FUNCTIONS}umask 077
parent=\${1%/*}
waiting=$parent/.keep.sidetrack
top=$waiting place=$1
[ -d "$parent" ] || { top=\${parent%/*}/.sidetrack.sidetrack place=$parent waiting=$top/\${1##*/}; }
rm -rf "$parent/.keep.sidetrack" "\${parent%/*}/.sidetrack.sidetrack"
if [ -d "$1" ]; then
  printf '%s' "$2" >"$1/.directories" && settle "$1/.directories" && mv "$1/.directories" "$1/directories" || { rm -f "$1/.directories"; exit 1; }
  exit
fi
mkdir -p "$waiting" && printf '%s' "$2" >"$waiting/directories" && { [ "$top" = "$waiting" ] || chmod 755 "$top"; } &&
settle "$waiting/directories" && mv "$top" "$place" || { rm -rf "$top"; exit 1; }`;

/** @param made directories that were not there before anything of ours was */
export const begin = (made: readonly string[]): Command => ({
  argv: ['sh', '-c', BEGIN, 'sh', KEEP_DIRECTORY, made.map((one) => `${one}\n`).join('')],
  writes: KEEP_DIRECTORY,
});

/** $1: the directory of what is kept, $2: of the state. */
const KEEP_STATE = `${FUNCTIONS}umask 077
directory "$1/state" && chmod 700 "$1/state" || exit 1
for one in "$2"/attachment-*.json "$2"/listing "$2"/state.json; do
  name=\${one##*/}
  [ -e "$one" ] || continue
  ! cmp -s "$one" "$1/state/$name" || continue
  cp "$one" "$1/state/.$name" && chmod 600 "$1/state/.$name" && settle "$1/state/.$name" && mv "$1/state/.$name" "$1/state/$name" ||
    { rm -f "$1/state/.$name"; exit 1; }
done
for one in "$1"/state/*; do [ -e "$2/\${one##*/}" ] || rm -f "$one"; done
[ ! -d "$2/keep" ] || : >"$2/keep/resume"`;

/** What the next apply and \`down\` go by, for a boot that finds /run empty. What the watcher has left alone it looks after again. */
export const keepState = (stateDir: string): Command => ({
  argv: ['sh', '-c', KEEP_STATE, 'sh', KEEP_DIRECTORY, stateDir],
  writes: `${KEEP_DIRECTORY}/state`,
});

/** The block is the end of the file, byte for byte, until another edits behind it. $1: the file, $2: the block, $3: the section. */
const INCLUDE = `${FUNCTIONS}new=\${1%/*}/.\${1##*/}.sidetrack
cp -p "$1" "$new" && printf '%s' "$2" >>"$new" && settle "$new" && mv "$new" "$1" || { rm -f "$new"; exit 1; }`;

const EXCLUDE = `${FUNCTIONS}new=\${1%/*}/.\${1##*/}.sidetrack
rm -f "$new"
[ -f "$1" ] && grep -q "^config include '*$3'*" "$1" || exit 0
size=$(wc -c <"$1") length=$(printf '%s' "$2" | wc -c)
cp -p "$1" "$new" || { rm -f "$new"; exit 1; }
if [ "$(tail -c "$length" "$1"; echo .)" = "$2." ]; then head -c $((size - length)) "$1" >"$new"
else awk -v section="$3" '/^config[ \\t]/ { ours = $0 ~ "^config[ \\t]+include[ \\t]+[\\047\\"]?" section "[\\047\\"]?[ \\t]*$" } !ours' "$1" >"$new"
fi && settle "$new" && mv "$new" "$1" || { rm -f "$new"; exit 1; }`;

const firewall = (script: string, purpose: string): Command => ({
  argv: ['sh', '-c', script, 'sh', FIREWALL_CONFIG, FIREWALL_INCLUDE, FIREWALL_SECTION],
  writes: FIREWALL_CONFIG,
  purpose,
});

export const include = firewall(INCLUDE, 'having the firewall wake the watcher');
export const exclude = firewall(EXCLUDE, 'the firewall wakes the watcher no more');

/** What has waited takes its place, each by one rename; then what starts it is told. */
const COMMIT = `${FUNCTIONS}init=$1
shift
while [ $# -gt 0 ] && [ "$1" != -- ]; do mv "$1" "$2" || exit 1; shift 2; done
shift
[ $# = 0 ] || rm -f "$@"
sync
case $init in
systemd)
  systemctl daemon-reload && systemctl restart "${KEEP_UNIT}" ;;
procd) ${INIT_SCRIPT} restart </dev/null >/dev/null ;;
esac 9>&-`;

/**
 * @param paths of what was staged, in the order in which it is to take its place
 * @param stale what goes
 */
export function commit(init: Init, paths: readonly string[], stale: readonly string[]): Command {
  const pairs = paths.flatMap((path) => [stagedPath(path), path]);
  return {
    argv: ['sh', '-c', COMMIT, 'sh', init, ...pairs, '--', ...stale],
    purpose: 'putting it in place, and starting the watcher',
  };
}

/** Also one that was started by hand. $1: the init, $2: the directory of the state, $3: the program. */
const STOP = `case $1 in
systemd) systemctl stop ${KEEP_UNIT} ${RESTORE_UNIT} 2>/dev/null ;;
procd) [ ! -x ${INIT_SCRIPT} ] || ${INIT_SCRIPT} stop </dev/null >/dev/null 2>&1 ;;
esac
# Those of containers are seen from here, too.
own_namespaces() {
  for space in pid net; do [ "$(readlink "$1/ns/$space")" = "$(readlink "/proc/$$/ns/$space")" ] || return 1; done
} 2>/dev/null
watchers() {
  for process in /proc/[0-9]*; do
    case "$(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null)" in *"sh $1 watch ") ! own_namespaces "$process" || echo "\${process#/proc/}" ;; esac
  done
}
tries=50
while left=$(watchers "$3") && [ -n "$left" ] && [ $tries -gt 0 ]; do
  kill $left 2>/dev/null
  sleep 0.1 2>/dev/null || sleep 1
  tries=$((tries - 1))
done
rm -rf "$2/keep"`;

export const stop = (init: Init, stateDir: string): Command => ({
  argv: ['sh', '-c', STOP, 'sh', init, stateDir, KEEP_PROGRAM],
  purpose: 'stopping the watcher',
});

/**
 * The list of directories goes with the outermost one that it names, at once by a rename. $1: the directory of what is
 * kept, $2: whether what others use by now is theirs; then those that were made, the innermost first.
 */
export const REMOVE_DIRECTORIES = `keep=$1 last=$2 parent=\${1%/*} parent_is_ours=no
shift 2
rm -rf "$parent/.keep.sidetrack" "\${parent%/*}/.sidetrack.sidetrack"
for one; do
  case $one in "$parent") parent_is_ours=yes ;; *) rmdir "$one" 2>/dev/null ;; esac
done
if [ ! -d "$keep" ]; then
  [ $parent_is_ours = no ] || rmdir "$parent" 2>/dev/null
elif [ $parent_is_ours = yes ] && [ "$(ls -A "$parent")" = "\${keep##*/}" ]; then
  mv "$parent" "\${parent%/*}/.sidetrack.sidetrack" && rm -rf "\${parent%/*}/.sidetrack.sidetrack"
elif [ $parent_is_ours = no ] || [ $last = yes ]; then
  mv "$keep" "$parent/.keep.sidetrack" && rm -rf "$parent/.keep.sidetrack"
fi
:`;

/** First what would start the rest. $1: the directory of what is kept, $2: the init; then files, and behind -- directories. */
const REMOVE = `keep=$1 init=$2
shift 2
while [ "$1" != -- ]; do rm -f "$1" || exit 1; shift; done
shift
for one in "$keep"/* "$keep"/.[!.]*; do
  case $one in "$keep/directories") ;; *) rm -rf "$one" || exit 1 ;; esac
done
[ "$init" != systemd ] || systemctl daemon-reload
set -- "$keep" no "$@"
${REMOVE_DIRECTORIES}`;

/**
 * All but the list of directories, where one of them holds something else of ours by now.
 * @param made directories that were not there before, the innermost first
 */
export const remove = (init: Init, paths: readonly string[], made: readonly string[]): Command => ({
  argv: [
    ...['sh', '-c', REMOVE, 'sh', KEEP_DIRECTORY, init],
    ...[...paths, ...BOOT_PATHS.map(stagedPath), '--', ...made],
  ],
  purpose: 'removing what brings it back at boot',
});
