/**
 * What probes are made of: functions for a POSIX shell that get along with the programs that are there. A
 * router may have BusyBox alone, with any choice of its programs, or full ones with other options.
 *
 * Exit status 0: it works. 1: it does not. `UNMEASURABLE`: no program here can tell.
 */

import { TABLE_NAME } from '../../nft/router-table.js';
import { FIRST_PRIORITY } from '../../plan/rule-priority.js';
import { ROUTE_PROTOCOL } from '../../plan/state.js';

/** Nothing that is found out says anything. */
export const UNMEASURABLE = 3;

/** For a try of a single packet or connection. */
const TRY_SECONDS = 3;

/**
 * A shell gives what it runs in the background an empty input, so \`bounded\` says which one is meant. A sleep
 * that was begun to end something is ended with it.
 */
const BASICS = `
has() { command -v "$1" >/dev/null 2>&1; }
nap() { sleep 0.1 2>/dev/null || sleep 1; }
bounded() {
  seconds=$1; shift
  { "$@" <&3 3<&- & tried=$!; } 3<&0
  ( trap 'kill $!; exit' TERM; sleep "$seconds" & wait $!; kill -9 $tried ) >/dev/null 2>&1 & keeper=$!
  wait $tried; status=$?
  kill $keeper 2>/dev/null
  return $status
}
`;

/** A gateway may answer no ping; what carries its packets is asked for its MAC all the same. */
const GATEWAY = `
pings() { # family address device
  has ping || return ${UNMEASURABLE}
  six=; [ "$1" = 4 ] || six=-6
  for try in 1 2 3; do bounded 2 ping $six -c 1 -W 1 -I "$3" "$2" && return 0; done
  return 1
}
neighbour() { # address device
  known=$(ip neigh show to "$1" dev "$2") || return ${UNMEASURABLE}
  mac=\${known#*lladdr }
  case $known in
    *PERMANENT* | *NOARP*) return ${UNMEASURABLE} ;;
    *lladdr*) ip neigh change "$1" lladdr "\${mac%% *}" nud probe dev "$2" ;;
    *) ip neigh replace "$1" nud none use dev "$2" ;;
  esac || return ${UNMEASURABLE}
  # Not by the clock: where sleep knows no fractions, each turn is a second.
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    case $(ip neigh show to "$1" dev "$2") in *REACHABLE*) return 0 ;; *FAILED*) return 1 ;; esac
    nap
  done
  return 1
}
`;

/** Any byte is an answer: a server for TLS answers HTTP with an alert, or with an error page. */
const CONNECTIONS = `
request() { printf 'HEAD / HTTP/1.0\\r\\n\\r\\n'; }
url() { case $1 in *:*) echo "http://[$1]:$2/" ;; *) echo "http://$1:$2/" ;; esac; }
takes() { case $(nc -h 2>&1 </dev/null) in *[[:space:]\\[]"$1"*) ;; *) return 1 ;; esac; }
connects() { # address port
  if has bash; then bounded ${TRY_SECONDS} bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"
  elif has nc && takes -z; then bounded ${TRY_SECONDS} nc -z "$1" "$2"
  elif has nc; then bounded ${TRY_SECONDS} nc "$1" "$2" </dev/null
  elif has curl || has wget; then answers "$1" "$2"
  else return ${UNMEASURABLE}; fi
}
first_byte() { [ "$("$@" | head -c 1 | wc -c)" -eq 1 ]; }
by_nc() { request | bounded ${TRY_SECONDS} nc "$1" "$2"; }
# Of a status that is an error, wget says what it is. No -T: BusyBox 1.35 crashes of it.
by_wget() {
  said=$(bounded ${TRY_SECONDS} wget -O /dev/null "$(url "$1" "$2")" 2>&1) && return 0
  case $said in *HTTP/* | *'ERROR '[0-9]* | *'HTTP error'*) ;; *) return 1 ;; esac
}
answers() { # address port
  if has bash; then bounded ${TRY_SECONDS} bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "HEAD / HTTP/1.0\\r\\n\\r\\n" >&3 && IFS= read -r -n 1 -u 3' "$1" "$2"
  elif has nc; then first_byte by_nc "$1" "$2"
  elif has curl; then
    curl -s -m ${TRY_SECONDS} -g -I -o /dev/null "$(url "$1" "$2")"
    # 1 and 8: bytes that are no HTTP.
    case $? in 0 | 1 | 8) ;; *) return 1 ;; esac
  elif has wget; then by_wget "$1" "$2"
  else return ${UNMEASURABLE}; fi
}
`;

/** The resolver that the machine itself uses; a name that does not exist counts as an answer of none. */
const NAMES = `
resolves() { # name query
  if has nslookup; then bounded ${TRY_SECONDS} nslookup "$1"
  elif has getent; then bounded ${TRY_SECONDS} getent hosts "$1"
  else
    resolver=$(sed -n 's/^nameserver *//p' /etc/resolv.conf | head -n 1)
    [ -n "$resolver" ] || return ${UNMEASURABLE}
    if has bash; then bounded ${TRY_SECONDS} bash -c 'exec 3<>"/dev/udp/$0/53" && printf "$1" >&3 && IFS= read -r -n 1 -u 3 id && [ "$id" = s ]' "$resolver" "$2"
    elif has nc && takes -u; then [ "$(printf "$2" | bounded 2 nc -u -w 1 "$resolver" 53 | head -c 2)" = st ]
    else return ${UNMEASURABLE}; fi
  fi
}
`;

/** What the kernel would do with a client's packet; there is no way to make one come in. */
const FORWARDING = `
forwards() { # family destination client interface device
  case $(ip -"$1" -o route get "$2" from "$3" iif "$4" 2>/dev/null) in *" dev $5 "*) ;; *) return 1 ;; esac
}
`;

/**
 * The rules go when the shell that made them does, even if that is killed: what is left behind for this asks for
 * that shell every second. A rule by ports needs Linux 4.17, and names of protocols /etc/protocols.
 *
 * The kernel looks for ports in a packet that has come in, with which its reverse-path filter asks for the way
 * back, only where a rule that is not for `lo` wants them: that is what the rule without an action is for.
 */
export const CANARY_FUNCTIONS = `
narrow() { # verb family address port words…
  verb=$1; six=$2; to=$3; port=$4; shift 4
  ip -"$six" rule "$verb" pref ${FIRST_PRIORITY} to "$to" ipproto 6 dport "$port" protocol ${ROUTE_PROTOCOL} "$@"
}
uncanary() { # family address port table
  narrow del "$1" "$2" "$3" iif lo lookup "$4"
  narrow del "$1" "$2" "$3" iif lo unreachable
  narrow del "$1" "$2" "$3" nop
} 2>/dev/null
`;

/**
 * A firewall may have a reverse-path filter of its own (firewalld has one for IPv6). It asks for the way back without
 * ports, so the canary's answers would not pass; those of the server's connection would not either if the rules
 * had no ports.
 */
const CANARY = `${CANARY_FUNCTIONS}
filters() {
  nft -t list ruleset 2>/dev/null | sed '/^table inet ${TABLE_NAME} {/,/^}/d' | grep -q -e 'fib saddr.*iif' -e rpfilter
}
can_narrow() { # family address port
  ! filters && narrow add "$1" "$2" "$3" nop && narrow del "$1" "$2" "$3" nop || return ${UNMEASURABLE}
}
# Before a change: directly, or by the way that an earlier one has made.
canary_before() { can_narrow "$@" || return; answers "$2" "$3" || canary "$@"; }
canary() { # family address port table
  uncanary "$@"
  own=$(exec sh -c 'echo $PPID')
  ( trap '' HUP INT TERM
    while sleep 1 && kill -0 "$own" 2>/dev/null; do :; done
    uncanary "$@" ) & sweeper=$!
  if narrow add "$1" "$2" "$3" nop && narrow add "$1" "$2" "$3" iif lo lookup "$4" &&
    narrow add "$1" "$2" "$3" iif lo unreachable
  then answers "$2" "$3"; answered=$?
  else answered=${UNMEASURABLE}; fi
  uncanary "$@"
  kill -9 $sweeper
  return $answered
}
`;

export const PROBE_FUNCTIONS = [BASICS, GATEWAY, CONNECTIONS, NAMES, FORWARDING, CANARY].join('');
