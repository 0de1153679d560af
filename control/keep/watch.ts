/**
 * How the program of `program.ts` waits: \`ip monitor\` and \`nft monitor\` tell what the kernel was told, and once a second it looks
 * at what nothing tells of. Neither may cost more the more there is to tell: what a monitor says is read in pieces of
 * 64 KiB, a few times a second, and means no more than "look".
 */

export const WATCH = `
# A monitor writes to a pipe of its own; its reader says one word for whatever there was. Where there is no end to what it
# says, it says so once a second.
start_monitor() {
  word=$1
  shift
  rm -f "$run/from-$word"
  mkfifo "$run/from-$word" || return 1
  ( exec "$@" ) >"$run/from-$word" 2>/dev/null </dev/null 3>&- 4>&- 8>&- &
  has_child $!
  {
    last=0 quick=0
    while dd bs=65536 count=1 2>/dev/null | grep -q ''; do
      echo "$word" >&3
      now
      [ $((now - last)) -le 2 ] && quick=$((quick + 1)) || quick=0
      last=$now
      [ $quick -le 5 ] && sleep 0.2 2>/dev/null || sleep 1
    done
    echo "lost $word" >&3
  } <"$run/from-$word" 4>&- 8>&- &
  has_child $!
}

# Seconds since boot, in hundredths, at which a process began; with it a number is no other process.
born() {
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- \${line##*) }
  shift 19
  began=$1
}
has_child() { ! born "$1" || children="$children $1:$began"; }
end_those() {
  for one in $1; do
    ! born "\${one%:*}" || [ "$began" != "\${one#*:}" ] || kill "\${one%:*}" 2>/dev/null
  done
}

watch() {
  begin
  if has flock; then
    exec 8>>"$run/watcher"
    flock -n 8 || { say "another one watches this host already"; exit 75; }
  fi
  children= holders=
  trap 'end 0' TERM INT
  # Somebody says that there may be something to see to.
  trap 'owed=1' HUP
  trap '' PIPE
  rm -f "$run/events"
  mkfifo "$run/events" || exit 1
  # Open both ways: it has no end, whoever writes to it.
  exec 3<>"$run/events"
  polls=no tries=0
  start_monitor ip ip monitor link address route rule
  if [ -n "$table_name" ]; then
    start_monitor nft nft monitor
  fi
  blind=
  watch_filters
  hold
  born $$
  own=$began
  ticker &
  has_child $!
  up
  owed=$?
  while :; do
    # A signal ends it in some shells.
    read -r event <&3 || { sleep 1; continue; }
    case $event in
      second) each_second ;;
      ip) see_to_all $of_routing $of_filters || owed=1 ;;
      tc) see_to_all $of_filters || owed=1 ;;
      nft) see_to_all $of_ruleset || owed=1 ;;
      'lost tc') blind=yes ;;
      lost*) polls=yes ;;
    esac
  done
}

# Where no tc tells of filters, they are looked at each second.
watch_filters() {
  [ -n "$of_filters" ] && [ -z "$blind" ] || return 0
  blind=yes
  ! has tc || { start_monitor tc tc monitor && blind=no; }
}

# The table of \`hold.ts\` is there as long as the process that made it, which is as long as it cannot print that. A kernel that knows
# no owners has none.
hold() {
  [ -s "$dir/hold" ] || return 0
  rm -f "$run/full"
  mkfifo "$run/full" || return 0
  exec 4<>"$run/full"
  rm -f "$run/full"
  cat /dev/zero >&4 2>/dev/null 3>&- 8>&- &
  before=$children children=
  has_child $!
  sleep 0.2 2>/dev/null || sleep 1
  nft -e -f "$dir/hold" >&4 2>/dev/null </dev/null 3>&- 8>&- &
  has_child $!
  holders=$children children="$before $children"
}

# It outlives this process where that is killed, and takes the others along.
ticker() {
  exec 4>&- 8>&- 9>&-
  trap '' PIPE
  while born $$ && [ "$began" = "$own" ]; do
    echo second >&3
    sleep 1
  done
  end_those "$children"
}

each_second() {
  if items_changed; then
    load
    owed=1
    end_those "$holders"
    hold
    watch_filters
  fi
  [ ! -e "$run/resume" ] || resume
  [ ! -e "$run/adopting" ] || end_adoption
  if [ $polls = yes ] || is_due; then
    owed=0
    up || owed=1
  else
    watched=$of_second
    [ "$blind" != yes ] || watched="$watched $of_filters"
    see_to_all $watched || owed=1
  fi
}

# What cannot be repaired now is tried each second for a while, and then each tenth one.
is_due() {
  [ $owed != 0 ] || { tries=0; return 1; }
  tries=$((tries + 1))
  [ $tries -le 10 ] || [ $((tries % 10)) = 0 ]
}

# Its second line names what is in it.
items_changed() {
  { read -r line && read -r line; } 2>/dev/null <"$dir/items" || return 1
  [ "$line" != "digest=$digest" ]
}

resume() {
  rm -f "$run/resume"
  n=1
  while [ $n -le $total ]; do
    eval "times_$n= alarm_$n="
    n=$((n + 1))
  done
  owed=1
  say "resumed"
}

end() {
  trap '' TERM INT
  end_those "$children"
  wait
  rm -f "$run"/from-* "$run/events" "$run/watcher" "$run/state.json.new"
  exit "$1"
}
`;
