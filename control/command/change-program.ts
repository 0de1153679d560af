/**
 * The program that a change leaves on its host, beside what it needs: `sh PROGRAM VERB`. It is plain sh, because a
 * router may have nothing else, and knows no host, no step and no kind: those are functions in the file `steps`.
 *
 * The phase of a change is the name of one file, and changes by rename(2): of `confirm` and the watchdog one wins, and
 * the other sees that. Times are seconds since boot, because a router's clock jumps when it hears of the time.
 */

/** Of a change that can still be confirmed, is being undone, has been undone, is kept. */
export const PHASES = ['pending', 'reverting', 'reverted', 'confirmed'] as const;
export type Phase = (typeof PHASES)[number];

/** A step takes no longer; so long a change may stand still without its deadline. */
const LONGEST_STEP_SECONDS = 300;

/** Exit status of a verb that came after the change had ended. */
export const TOO_LATE = 3;

const COMMON = `
umask 077
LC_ALL=C; export LC_ALL
verb=$1
dir=\${0%/*}
lock=\${dir%/*}/lock
[ ! -s "$dir/path" ] || { PATH=$(cat "$dir/path"); export PATH; }

now() { read -r now _ </proc/uptime; now=\${now%%.*}; }
replace() { cat >"$dir/$1.new" && mv "$dir/$1.new" "$dir/$1"; }
in_time() { now; echo $((now + $1)) | replace deadline; }
has() { command -v "$1" >/dev/null 2>&1; }
doze() { sleep 0.1 2>/dev/null || sleep 1; }
pending() { [ -e "$dir/pending" ] || { echo "the change has ended already" >&2; exit ${TOO_LATE}; }; }

# The watchdog holds a lock of its own while it lives; a number may be another process by now.
watched() {
  [ -e "$dir/watchdog" ] || return 1
  ( flock -s -n 8 ) 8<"$dir/watchdog" 2>/dev/null
  [ $? = 1 ]
}
`;

/** Undone newest first. What a later \`down\` still needs comes last, and stays where anything else is left. */
const REVERT = `
undo() {
  case " $(tr '\\n' ' ' <"$dir/undone" 2>/dev/null)" in *" $1 "*) return 0 ;; esac
  ( undo_$1 ) >>"$dir/log" 2>&1 8>&- 9>&- || echo "$1" >>"$dir/failed"
  echo "$1" >>"$dir/undone"
}

# What can be read back decides; else the undo's own status, except for the step that may have done nothing.
is_left() {
  if [ -e "$dir/before/$1" ]; then
    ( look_$1 ) </dev/null 2>/dev/null 8>&- 9>&- >"$dir/after"
    [ "$(cat "$dir/before/$1")" != "$(cat "$dir/after")" ]
  else
    [ "$1" != "$newest" ] && grep -q -x "$1" "$dir/failed" 2>/dev/null
  fi
}

leave() { for n in "$@"; do is_left "$n" && left="$left$(title_$n)
"; done; }

# A change that is confirmed goes only when that is said: the watchdog may have looked just before.
take_up() {
  mv "$dir/pending" "$dir/reverting" 2>/dev/null && return
  [ "$verb" = back ] && mv "$dir/confirmed" "$dir/reverting" 2>/dev/null && return
  [ -e "$dir/reverting" ]
}

revert() {
  take_up || return 1
  . "$dir/steps"
  newest= last= first= left=
  for n in $(cat "$dir/journal"); do
    newest=$n
    case " $remembers " in *" $n "*) last="$n $last" ;; *) first="$n $first" ;; esac
  done
  for n in $first; do undo $n; done
  leave $first
  if [ -z "$left" ]; then
    for n in $last; do undo $n; done
    leave $last
  fi
  now
  printf 'at %s\\nwhy %s\\n%s' "$now" "$1" "$(printf %s "$left" | sed 's/^/left /')" | replace reverting
  mv "$dir/reverting" "$dir/reverted"
  rm -rf "$dir/steps" "$dir/before" "$dir/after" "$dir/told"
  tell "$1"
}

tell() {
  text="sidetrack: a change of this host was reverted: $1"
  [ -z "$left" ] || text="$text; not everything could be put back: $(printf %s "$left" | tr '\\n' ';')"
  ! has logger || logger -t sidetrack -p daemon.warning "$text" 2>/dev/null
  ! has wall || printf '%s\\n' "$text" | wall 2>/dev/null
  return 0
}
`;

/**
 * The session's lock tells whether the session lives. It is the watchdog's while it reverts, so that another apply waits.
 */
const WATCH = `
lost() {
  # A redirection of exec that fails would end the shell.
  ( : >>"$lock" ) 2>/dev/null || return 1
  exec 9>>"$lock"
  flock -n 9 && [ /proc/self/fd/9 -ef "$lock" ] || { exec 9>&-; return 1; }
  read -r machine </proc/sys/kernel/hostname
  printf '{"machine":"%s","pid":%s}\\n' "$machine" $$ | cat >"$lock"
}

overdue() {
  now
  read -r deadline <"$dir/deadline" && [ "$now" -ge "$deadline" ]
} 2>/dev/null

# The lock is still that of the session which made this change, and no later one's.
ours() { [ -s "$dir/session" ] && [ "$(cat "$dir/session")" = "$(cat "$lock")" ]; } 2>/dev/null

# A session whose network is gone would keep the lock until TCP gives up; one that lives has seen the end by now.
evict() {
  exec 8>&-
  for try in 1 2 3 4 5 6 7 8 9 10; do
    ours && ! ( flock -n 9 ) 9<"$lock" || return 0
    sleep 1
  done 2>/dev/null
  ours || return 0
  for process in /proc/[0-9]*; do
    [ ! "$process/fd/9" -ef "$lock" ] || kill -9 "\${process#/proc/}"
  done
}

watch() {
  trap '' HUP INT QUIT PIPE
  trap : USR1
  exec 8>>"$dir/watchdog" && flock 8 || exit 1
  echo $$ >"$dir/pid"
  exec </dev/null >/dev/null 2>&1
  while [ -e "$dir/pending" ]; do
    if [ -e "$dir/told" ]; then revert "$(cat "$dir/told")"
    elif overdue; then ! revert "not confirmed within $(cat "$dir/timeout") s" || evict
    elif lost; then revert "the session that made it has ended"; rm -f "$lock"
    else sleep 1 8>&- 9>&- & wait $!
    fi
  done
  exit 0
}

# Where systemd runs, logind ends what belongs to a session; a namespace of its own is none of systemd's.
by_systemd() {
  [ -d /run/systemd/system ] && has systemd-run || return 1
  for ns in net mnt; do
    [ "$(readlink /proc/self/ns/$ns)" = "$(readlink /proc/1/ns/$ns)" ] || return 1
  done
  systemd-run --quiet --collect --no-ask-password --description='sidetrack: reverts a change that is not confirmed' \\
    sh "$0" watch </dev/null >/dev/null 2>&1 9>&- || return 1
  for try in 1 2 3 4 5 6 7 8 9 10; do watched && return 0; doze; done
  return 1
}

# Its standard output is closed when it is ready, or when it has ended.
detached() {
  if has setsid; then echo "$(setsid sh "$0" watch </dev/null 2>/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 9>&- &)"
  else echo "$(trap '' HUP INT QUIT; sh "$0" watch </dev/null 2>/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 9>&- &)"
  fi >/dev/null
  watched
}

arm() {
  sh -n "$dir/steps" || exit 1
  . "$dir/steps"
  printf '%s\\n' "$PATH" >"$dir/path" && printf '%s\\n' "$1" >"$dir/timeout" && printf '%s\\n' "$2" >"$dir/about" || exit 1
  cat /proc/sys/kernel/random/boot_id >"$dir/boot" && : >"$dir/journal" && cat "$lock" >"$dir/session" && : >"$dir/watchdog" && mkdir "$dir/before" || exit 1
  for n in $looks; do
    ( look_$n ) </dev/null >"$dir/before/$n" 2>/dev/null
    [ $? -lt 126 ] || { echo "what is changed cannot be read back: $(title_$n)" >&2; exit 1; }
  done
  # Made now: a file system that is full later has room for no file, and what cannot be opened would not run.
  for file in log after undone failed told.new; do : >"$dir/$file" || exit 1; done
  in_time $(($1 + ${LONGEST_STEP_SECONDS})) && : >"$dir/pending" || exit 1
  by_systemd || detached || {
    rm -f "$dir/pending"
    echo "no process can be left behind to revert the change" >&2
    exit 1
  }
}
`;

/** What sessions say, and what a person on the host can type. */
const VERBS = `
# The journal has the step before it begins, and while it runs there is time.
begin() {
  pending
  rm -f "$dir/complete" && in_time $(($(cat "$dir/timeout") + ${LONGEST_STEP_SECONDS})) && echo "$1" >>"$dir/journal"
}
countdown() { pending; in_time "$(cat "$dir/timeout")" && : >"$dir/complete"; }

# Half a change is nothing to keep, should the session that makes it die now.
complete() {
  [ -e "$dir/confirmed" ] && return
  pending
  [ -e "$dir/complete" ] || { echo "the change is still being made; confirm it when it waits for that" >&2; exit 1; }
}

confirm() {
  complete
  mv "$dir/pending" "$dir/confirmed" 2>/dev/null || [ -e "$dir/confirmed" ] || pending
  # It has nothing to do any more, and is gone when its lock is free.
  ! watched || kill -9 "$(cat "$dir/pid")" 2>/dev/null
  ( flock 8 ) 8<"$dir/watchdog"
  . "$dir/steps" && kept
  echo "confirmed: the change of this host is kept"
}

back() {
  if [ -e "$dir/pending" ] && watched; then
    # Also where it stays empty.
    printf '%s\\n' "$1" >"$dir/told.new"
    mv "$dir/told.new" "$dir/told"
    kill -USR1 "$(cat "$dir/pid")" 2>/dev/null
  fi
  # Behind the watchdog. Where there was none, or it was killed half-way: here and now.
  exec 8>>"$dir/watchdog"
  flock 8
  [ ! -e "$dir/pending" ] && [ ! -e "$dir/reverting" ] && [ ! -e "$dir/confirmed" ] || revert "$1"
}

case $verb in
  arm | begin | countdown | back) "$@" ;;
  watch) watch ;;
  confirm) confirm ;;
  *) echo "verbs: confirm, back REASON" >&2; exit 2 ;;
esac
`;

export const CHANGE_PROGRAM = [
  '# Written by sidetrack for one change of this host. To keep the change: sh THIS confirm',
  COMMON,
  REVERT,
  WATCH,
  VERBS,
].join('\n');
