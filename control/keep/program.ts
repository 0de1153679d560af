/**
 * The program that keeps a host as it was applied: `sh PROGRAM up|watch|status|resume`. It is plain sh, because a router may
 * have nothing else and a server with a program of others has no process of ours. It knows no host: what is kept are
 * functions in the file `items` beside it. `watch.ts` has the part that waits.
 *
 * Times are seconds since boot where they are compared, because a router's clock jumps when it hears of the time.
 */
import { CLASSIFIER } from './classifier.js';
import { COMPARE } from './compare.js';
import { MARK } from './mark.js';
import { WATCH } from './watch.js';

/** So many repairs of one thing within a minute are the work of another tool, which is not fought. */
export const MOST_REPAIRS = 5;
/** What `state.json` tells of. */
const REMEMBERED = 20;

const COMMON = `
umask 077
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin; export PATH
verb=$1
case $0 in */*) dir=\${0%/*} ;; *) dir=. ;; esac

has() { command -v "$1" >/dev/null 2>&1; }
now() { read -r now _ </proc/uptime; now=\${now%%.*}; }
say() { printf '%s\\n' "sidetrack keep: $*" >&2; }
get() { eval "value=\\\${$1-}"; }
replace() { cat >"$1.new" && mv "$1.new" "$1"; }
# One line of what a program said, fit for a string of JSON.
plain() { tr -s '\\000-\\037' ' ' | tr '"\\\\' "'/" | cut -c1-300; }

# What one thing was, and what was said of it, is nothing to the next set of items.
load() {
  . "$dir/items" || { say "$dir/items cannot be read; write it again: sidetrack apply"; exit 1; }
  run=$state_dir/keep right=$state_dir/keep/right lock=$state_dir/lock
  mkdir -p "$right" || exit 1
  fresh=no
  if [ "$(cat "$right/digest" 2>/dev/null)" != "$digest" ]; then
    # What is made the first time is no repair; each thing by itself, since one that cannot be made yet may wait for long.
    fresh=yes
    rm -f "$right"/*
    printf '%s\\n' "$digest" >"$right/digest"
  fi
  n=1
  while [ $n -le $total ]; do
    eval "times_$n= alarm_$n= open_$n= fresh_$n=$fresh"
    n=$((n + 1))
  done
}

# While something changes this host, or waits to be confirmed, nothing is repaired; nor where what was applied since is not persisted,
# because that apply was killed in between: it wrote down what it did.
unfinished() {
  [ ! -e "$state_dir/change/pending" ] && [ ! -e "$state_dir/change/reverting" ] || return 0
  [ -e "$dir/state/state.json" ] && [ -e "$state_dir/state.json" ] && ! cmp -s "$dir/state/state.json" "$state_dir/state.json"
}

take_lock() {
  ! unfinished || return 1
  has flock || return 0
  # A redirection of exec that fails would end the shell.
  ( : >>"$lock" ) 2>/dev/null || return 1
  exec 9>>"$lock"
  flock -n 9 && [ /proc/self/fd/9 -ef "$lock" ] && ! unfinished || { exec 9>&-; return 1; }
  read -r machine </proc/sys/kernel/hostname
  printf '{"machine":"%s","pid":%s,"keeper":true}\\n' "$machine" $$ >"$lock"
}
give_lock() {
  has flock || return 0
  rm -f "$lock"
  exec 9>&-
}
`;

const REPAIR = `
# How often by now, by kind; it outlives this process, as the state file does.
count() {
  grep -q " $1$" "$run/counts" 2>/dev/null || printf '0 %s\\n' "$1" >>"$run/counts"
  while read -r times label; do
    [ "$label" != "$1" ] || times=$((times + 1))
    printf '%s %s\\n' "$times" "$label"
  done <"$run/counts" | replace "$run/counts"
}

# JSON of an event: time, kind, name, why.
event() {
  printf '{"%s":%s,"kind":"%s","name":"%s","why":"%s"}' "$1" "$2" "$(printf %s "$3" | plain)" "$(printf %s "$4" | plain)" "$(printf %s "$5" | plain)"
}

# Those of the last minute.
recent() {
  now
  kept= often=0
  get "times_$1"
  for time in $value; do
    [ $((now - time)) -ge 60 ] || { kept="$kept $time"; often=$((often + 1)); }
  done
  eval "times_$1=\\$kept"
}

# Under the lock. What cannot be repaired now is tried again later, and counts once it is.
repair() {
  get "kind_$1"; kind=$value
  get "name_$1"; name=$value
  recent "$1"
  if [ $often -ge ${MOST_REPAIRS} ]; then
    alarm "$1" "$why"
    return 1
  fi
  # In a shell of its own: it may not change what is known here, but for what it has learned.
  if said=$( ( repair_$1 $1 ) 2>&1 </dev/null 9>&-); then
    eval "open_$1="
    learn_$1 $1
    eval "times_$1=\\"\\$times_$1 $now\\""
    get "fresh_$1"
    eval "fresh_$1=no"
    [ "$value" = no ] || return 0
    count "$kind"
    event time "$(date +%s)" "$kind" "$name" "$why" >>"$run/last"
    echo >>"$run/last"
    tail -n ${REMEMBERED} "$run/last" | replace "$run/last"
    say "repaired: $kind $name: $why"
    tell_state
    return 0
  fi
  get "open_$1"
  said=$(printf %s "$said" | plain)
  if [ -z "$value" ]; then
    say "not repaired yet: $kind $name: $why; $said"
    said=$(event since "$(date +%s)" "$kind" "$name" "$why; $said")
    eval "open_$1=\\$said"
    tell_state
  fi
  return 1
}

alarm() {
  text="$kind $name is changed by another program again and again ($2): it is left alone from now on; find that program, then type: sh $dir/program resume"
  say "$text"
  ! has logger || logger -t sidetrack -p daemon.alert "$text" 2>/dev/null
  said=$(event since "$(date +%s)" "$kind" "$name" "$2")
  eval "alarm_$1=\\$said open_$1="
  tell_state
}

# 0 when it is as wanted, or left alone; 1 when it is not, and could not be made so now.
see_to() {
  get "alarm_$1"
  [ -z "$value" ] || return 0
  why=
  if check_$1 $1; then
    eval "fresh_$1=no"
    get "open_$1"
    [ -z "$value" ] || { eval "open_$1="; tell_state; }
    return 0
  fi
  if [ $locked = no ]; then
    take_lock || return 1
    locked=yes
    # What it was waiting for may be all that there was.
    look_again
    why=
    ! check_$1 $1 || return 0
  fi
  repair "$1"
}

# What is looked at once for all that depends on it.
look_again() { rules_seen= routes_seen=; }

# Those of the list; 1 when one of them is to be looked at again.
see_to_all() {
  locked=no left=0
  look_again
  for item in "$@"; do see_to "$item" || left=1; done
  [ $locked = no ] || give_lock
  return $left
}

listed() {
  first=yes
  n=1
  printf '"%s":[' "$1"
  while [ $n -le $total ]; do
    get "$2_$n"
    if [ -n "$value" ]; then
      [ $first = yes ] || printf ,
      first=no
      printf %s "$value"
    fi
    n=$((n + 1))
  done
  printf ']'
}

tell_state() {
  {
    printf '{"version":1,"pid":%s,"since":%s,"digest":"%s","kept":%s,"repairs":{' $$ "$since" "$digest" "$total"
    separator=
    while read -r times label; do
      printf '%s"%s":%s' "$separator" "$label" "$times"
      separator=,
    done <"$run/counts"
    printf '},"last":['
    separator=
    while read -r line; do
      printf '%s%s' "$separator" "$line"
      separator=,
    done <"$run/last"
    printf '],'
    listed open open
    printf ,
    listed alarms alarm
    printf '}\\n'
  } | replace "$run/state.json"
}

begin() {
  load
  since=$(date +%s)
  : >>"$run/counts" && : >>"$run/last" || exit 1
}
`;

const UP = `
# At boot, and whenever watching begins: everything in the order in which apply makes it.
up() {
  all=
  n=1
  while [ $n -le $total ]; do all="$all $n"; n=$((n + 1)); done
  see_to_all $all
  bad=$?
  # A reboot has emptied /run: what the next apply and down go by comes back.
  for file in "$dir"/state/*; do
    [ ! -e "$file" ] || [ -e "$state_dir/\${file##*/}" ] || cp -p "$file" "$state_dir/"
  done
  tell_state
  return $bad
}

# $1: how often it is tried, a second apart. Before the network is there, once has to do.
up_once() {
  begin
  tries=\${1:-10}
  until up; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || break
    sleep 1
  done
  [ $tries -eq 0 ] || return 0
  say "not everything is as it was applied: $(cat "$run/state.json")"
  return 1
}
`;

const VERBS = `
case $verb in
  up) up_once "\${2-}" ;;
  watch) watch ;;
  status) load; cat "$run/state.json" ;;
  resume) load; : >"$run/resume" ;;
  *) echo "verbs: up, watch, status, resume" >&2; exit 2 ;;
esac
`;

export const KEEP_PROGRAM = [MARK, COMMON, COMPARE, CLASSIFIER, REPAIR, UP, WATCH, VERBS].join(
  '\n',
);
