#!/bin/sh
# Made by sidetrack 1.0.0, down: takes everything of sidetrack's away from router (netns://router).
# Run it as root there: it needs sh, nft and ip.
[ "${SIDETRACK_ENTERED-}" = router ] || {
  SIDETRACK_ENTERED=router; export SIDETRACK_ENTERED
  exec nsenter --net=/run/netns/router -- sh "$0" "$@"
}
LC_ALL=C; export LC_ALL
name=router
dir=/run/sidetrack/netns/router
state=/run/sidetrack/netns/router/state.json
listing=/run/sidetrack/netns/router/listing
lock=/run/sidetrack/netns/router/lock

journal=$dir/script
say() { printf '%s\n' "$name: $*" >&2; }

# The lock of sidetrack itself, where there is flock(1); it goes with this process.
take_lock() {
  [ ! -e "$dir/change/pending" ] || { say "a change waits to be confirmed: sidetrack confirm"; exit 1; }
  mkdir -p "$dir" || exit 1
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>>"$lock"
  flock -n 9 && [ /proc/self/fd/9 -ef "$lock" ] || { say "another sidetrack is changing this host: $(cat "$lock")"; exit 75; }
  read -r machine </proc/sys/kernel/hostname
  printf '{"machine":"%s","pid":%s}\n' "$machine" $$ | cat >"$lock"
}

total=5
directories='/run/sidetrack/netns/router /run/sidetrack/netns /run/sidetrack'
title_1() { printf '%s\n' 'remove nft table inet sidetrack'; }
do_1() {
  printf '%s' '{"nftables":[{"delete":{"table":{"family":"inet","name":"sidetrack"}}}]}
' | (exec nft -j -f /proc/self/fd/0) || return
  return 0
}
title_2() { printf '%s\n' 'remove: IPv4 rule: from br-lan with mark 0x96/0xff use table 250'; }
do_2() {
  (exec ip -4 rule del priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150 </dev/null) || return
  return 0
}
title_3() { printf '%s\n' 'remove: IPv4 route: table 250, default via 192.168.1.2 dev br-lan'; }
do_3() {
  (exec ip -4 route del default via 192.168.1.2 dev br-lan table 250 protocol 150 </dev/null) || return
  return 0
}
title_4() { printf '%s\n' 'put net.ipv4.conf.all.send_redirects back to 1'; }
do_4() {
  printf '%s' '1
' | (exec tee /proc/sys/net/ipv4/conf/all/send_redirects) >/dev/null || return
  return 0
}
title_5() { printf '%s\n' 'forget the saved state'; }
do_5() {
  (exec rm -f /run/sidetrack/netns/router/state.json /run/sidetrack/netns/router/listing </dev/null) || return
  return 0
}

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
