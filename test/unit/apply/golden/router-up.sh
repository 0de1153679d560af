#!/bin/sh
# Made by sidetrack 1.0.0, up: brings router (netns://router) to the configured state.
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
kept=5
remembers=1
directories='/run/sidetrack/netns/router /run/sidetrack/netns /run/sidetrack'
state_before() { :; }
state_after() { printf '%s' '{"version":1,"sysctls":{"net/ipv4/conf/all/send_redirects":"1"},"objects":{"chain steer":{"desired":"ff6f641ecb5347d6603bc9dc22129cca","listed":""}},"routes":"99ee805700c7a37c89f39607b3f5212f","rules":"d99132d5b8430bb163b7f6fe82b66d2d","unlisted":true}
' | (exec cat); }
table_before=no
title_1() { printf '%s\n' 'remember what was there before'; }
do_1() {
  printf '%s' '{"version":1,"sysctls":{"net/ipv4/conf/all/send_redirects":"1"},"objects":{}}
' | (exec sh -c 'mkdir -p "${2%/*}" && (umask 077 && cat > "$2.new") && chmod "$1" "$2.new" && mv "$2.new" "$2" || { rm -f "$2.new"; exit 1; }' sh 600 /run/sidetrack/netns/router/state.json) || return
  return 0
}
undo_1() {
  (exec rm -f /run/sidetrack/netns/router/state.json </dev/null) || return
  return 0
}
title_2() { printf '%s\n' 'set net.ipv4.conf.all.send_redirects to 0 (was 1)'; }
do_2() {
  printf '%s' '0
' | (exec tee /proc/sys/net/ipv4/conf/all/send_redirects) >/dev/null || return
  return 0
}
undo_2() {
  printf '%s' '1
' | (exec tee /proc/sys/net/ipv4/conf/all/send_redirects) >/dev/null || return
  return 0
}
title_3() { printf '%s\n' 'IPv4 route: table 250, default via 192.168.1.2 dev br-lan'; }
do_3() {
  (exec ip -4 route replace default via 192.168.1.2 dev br-lan table 250 protocol 150 </dev/null) || return
  return 0
}
undo_3() {
  (exec ip -4 route del default via 192.168.1.2 dev br-lan table 250 protocol 150 </dev/null) || return
  return 0
}
title_4() { printf '%s\n' 'IPv4 rule: from br-lan with mark 0x96/0xff use table 250'; }
do_4() {
  (exec ip -4 rule add priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150 </dev/null) || return
  return 0
}
undo_4() {
  (exec ip -4 rule del priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150 </dev/null) || return
  return 0
}
title_5() { printf '%s\n' 'create nft table inet sidetrack'; }
do_5() {
  printf '%s' '{"nftables":[{"add":{"table":{"family":"inet","name":"sidetrack"}}},{"add":{"chain":{"family":"inet","table":"sidetrack","name":"steer"}}},{"flush":{"chain":{"family":"inet","table":"sidetrack","name":"steer"}}}]}
' | (exec nft -j -f /proc/self/fd/0) || return
  return 0
}
undo_5() {
  printf '%s' '{"nftables":[{"delete":{"table":{"family":"inet","name":"sidetrack"}}}]}
' | (exec nft -j -f /proc/self/fd/0) || return
  return 0
}
save() {
  (umask 077 && (exec sh -c '
table=$1 mode=$2 state=$3
shift 3
listing=$(nft -j -t list ruleset inet)
status=$?
[ $status = 0 ] || listing=$(nft -j -t list table inet $table 2>&1)
printf '\''%s\n'\'' "$listing"
sets='\''/"name": "known_macs"/!{/"timeout"/d;}; s/^"family": "inet", "name": "\([^"]*\)", "table": "'\''$table'\''",.*/\1/p'\''
sets=$(printf '\''%s'\'' "$listing" | tr '\''{'\'' '\''\n'\'' | sed -n "$sets")
listing=
saved=
[ $# = 0 ] || saved=$(cat "$state" 2>/dev/null)
hash=
for program in sha256sum md5sum; do
  [ -n "$hash" ] || ! command -v $program >/dev/null || hash=$program
done
# Two at once take twice the memory, which a small router does not have.
beside=
while read -r key size _; do
  [ "$key" != MemAvailable: ] || [ "$size" -lt 1000000 ] || beside='\''&'\''
done </proc/meminfo
digest() {
  digest=$({ nft list set inet $table "$1" || cat /proc/sys/kernel/random/uuid; } | $hash)
  printf '\''%s %s\n'\'' "$1" "${digest%% *}"
}
line='\''
'\''
digests=$line$(
  [ -n "$hash" ] && for one; do
    case $line$sets$line in *"$line${one%% *}$line"*) ;; *) continue ;; esac
    case $mode$saved in
      digest*|*"\"set ${one%% *}\":{\"desired\":\"${one#* }\","*) eval "digest ${one%% *} $beside" ;;
    esac
  done
  wait
)
told() {
  digest=${digests##*"$line$1 "}
  [ "$digest" != "$digests" ] || digest=
  digest=${digest%%"$line"*}
  [ -n "$digest" ] && case $mode$saved in
    digest*|*"\"set $1\":{\"desired\":\"$2\",\"listed\":\"$digest\"}"*) printf '\''%s %s\n'\'' "$1" "$digest" ;;
    *) false ;;
  esac
}
for set in $sets; do
  for one; do
    [ "${one%% *}" != "$set" ] || ! told $one || continue 2
  done
  nft -j list set inet $table "$set" || exit
done
exit $status' sh sidetrack digest /run/sidetrack/netns/router/state.json </dev/null) >"$listing.new") && mv "$listing.new" "$listing" || return
  (umask 077 && state_after >"$state.new") && mv "$state.new" "$state" || return
  return 0
}

# Newest first. What down needs stays where anything else is left.
put_back() {
  trap '' INT TERM HUP
  left=
  begun=
  for n in $(cat "$journal"); do begun="$n $begun"; done
  for n in $begun; do
    case " $remembers " in *" $n "*) [ -z "$left" ] || continue ;; esac
    # The newest may have done nothing, and then there is nothing to undo.
    undo_$n 2>"$journal.said" || [ "$n" = "${begun%% *}" ] || { left=yes; say "not put back: $(title_$n): $(cat "$journal.said")"; }
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
    do_$n || failed "step \"$(title_$n)\" failed"
    n=$((n + 1))
  done
  save || failed "the state could not be saved"
  trap - INT TERM HUP
  rm -f "$journal"
  # For the next boot: what stands, stands.
  while [ $n -le $total ]; do
    say "$(title_$n)"
    do_$n || { say "this is done, but the next boot does not bring it back: step \"$(title_$n)\" failed"; leave 5; }
    n=$((n + 1))
  done
  say "done: $total steps"
  leave 0
}

# Behind everything else: a script that is cut off does nothing.
main "$@"
