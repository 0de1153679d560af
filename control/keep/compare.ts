/**
 * How the program of `program.ts` tells whether a thing is as it was: by the kernel's own listing, as the same `ip` and `nft` of the
 * same host printed it when it was right. iproute2 and BusyBox print otherwise, and so do their versions.
 */
import { ADOPTION, ADOPTION_SECONDS } from '../nft/adoption.js';
import { TABLE_NAME } from '../nft/router-table.js';

export const COMPARE = `
# Of a route or a rule what says where it is; words about its state come and go.
without_state() { sed 's/ linkdown//; s/ dead//; s/ \\[detached\\]//; s/ offload//; s/ trap//; s/[[:space:]]*$//'; }

see_rules() {
  [ -z "$rules_seen" ] || return 0
  rules_4=$(ip -4 rule show 2>&1 | without_state)
  rules_6=$(ip -6 rule show 2>&1 | without_state)
  rules_seen=yes
}

# Lines of $1 that begin with $2 and have the words $3.
lines_of() {
  chosen=
  while read -r line; do
    case "$line " in "$2"*" $3 "*) chosen="$chosen$line
" ;; esac
  done <<end
$1
end
}

# Each line that was there when it was right. What others have put beside them is not our matter here.
has_lines() {
  while read -r line; do
    case "
$2
" in *"
$line
"*) ;; *) why="\\"$line\\" is gone"; return 1 ;; esac
  done <<end
$1
end
}

# family, priority, the words that follow: 'iif br-lan'.
check_rule() {
  see_rules
  [ -s "$right/$4" ] || return 1
  [ "$1" = 4 ] && found=$rules_4 || found=$rules_6
  has_lines "$(cat "$right/$4")" "$found"
}
learn_rule() {
  rules_seen=
  see_rules
  [ "$1" = 4 ] && found=$rules_4 || found=$rules_6
  lines_of "$found" "$2:" "$3"
  printf %s "$chosen" >"$right/$4"
}
# The kernel refuses a rule that is there already.
add_rule() { said=$(ip "$@" 2>&1) || case $said in *"File exists"*) ;; *) printf '%s\\n' "$said"; return 1 ;; esac; }

# family, next hop, its interface, mark: what the kernel would do with a steered packet. A foreign rule in front of ours is not taken
# away; where it refuses to say, as without the interface, it has nothing to say about rules.
check_way() {
  [ "$1" = 4 ] && there=198.51.100.1 || there=2001:db8::1
  answer=$(ip "-$1" route get "$there" from "$2" iif "$3" mark "$4" 2>/dev/null) || return 0
  case "$answer " in *" via $2 "*) return 0 ;; esac
  [ -n "$(see_routes "$1" "$5")" ] || return 0
  why="steered packets do not go to $2: another rule comes before ours"
  return 1
}
# Its failure makes no way; see_to tells of it until the kernel answers otherwise.
leave_way() { echo 'sidetrack apply puts ours in front where rule_priority is auto; else see: ip rule show'; return 1; }

see_routes() { ip "-$1" route show table "$2" 2>/dev/null | without_state; }
check_routes() {
  [ -s "$right/$3" ] || return 1
  has_lines "$(cat "$right/$3")" "$(see_routes "$1" "$2")"
}
learn_routes() { see_routes "$1" "$2" >"$right/$3"; }

# Where there is no such setting, its interface is gone. Some shells read one byte at a time, and the kernel gives but one.
check_sysctl() {
  value=
  [ -e "/proc/sys/$1" ] || return 0
  if [ "\${#2}" = 1 ]; then read -r value 2>/dev/null <"/proc/sys/$1"; else value=$(cat "/proc/sys/$1"); fi
  [ "$value" = "$2" ] || { why="it was $value"; return 1; }
}

# Neither counters nor what packets have put into sets. nft ends at the first rule of anybody's that it does not know.
see_table() {
  { nft -s -t list ruleset inet 2>/dev/null || nft -s -t list table inet "$table_name" 2>/dev/null; } |
    sed -n "/^table inet $table_name {/,/^}/p" |
    sed '/^[[:space:]]*set \\(${ADOPTION.sets.join('\\|')}\\) {/,/^[[:space:]]*}$/d
      /^[[:space:]]*chain \\(${ADOPTION.chains.join('\\|')}\\) {/,/^[[:space:]]*}$/d; /^$/d'
  # One at a time: nft 1.0.6 finds but the last of several.
  for set in $table_fixed; do nft -s list set inet "$table_name" "$set" 2>/dev/null; done
}
check_table() {
  table_now=$(see_table)
  case $table_now in "table inet $table_name {"*) ;; *) why="the table is gone"; return 1 ;; esac
  # The first look behind an apply: that has just seen to it.
  [ -s "$right/table" ] || { printf '%s\\n' "$table_now" >"$right/table"; return 0; }
  [ "$table_now" != "$(cat "$right/table")" ] || return 0
  why=$(table_difference)
  return 1
}
# The first line that went, else the first that came.
table_difference() {
  printf '%s\\n' "$table_now" >"$run/table"
  gone=$(grep -F -x -v -m 1 -f "$run/table" "$right/table")
  came=$(grep -F -x -v -m 1 -f "$right/table" "$run/table")
  if [ -n "$gone" ]; then printf 'gone: %s' "$gone"
  elif [ -n "$came" ]; then printf 'not ours: %s' "$came"
  else printf 'the order of its rules has changed'
  fi | tr -s '[:space:]' ' '
}
names_in() { printf '%s\\n' "$table_now" | sed -n "s/^[[:space:]]*$1 \\\\([^ ]*\\\\) {.*/\\\\1/p"; }
# Each line of the file is a command, behind the name of a set that packets fill: it is for those that are not there.
table_input() {
  skip=
  for set in $1; do skip="$skip/^$set /d;"; done
  printf '{"nftables":['
  sed "$skip"'s/^[^ ]* //; 1!s/^/,/' "$dir/table"
  if adopts "$1"; then sed 's/^[^ ]* /,/' "$dir/adoption"; fi
  for chain in $2; do printf ',{"flush":{"chain":{"family":"inet","table":"%s","name":"%s"}}}\\n' "$table_name" "$chain"; done
  for chain in $2; do printf ',{"delete":{"chain":{"family":"inet","table":"%s","name":"%s"}}}\\n' "$table_name" "$chain"; done
  for set in $3; do printf ',{"delete":{"set":{"family":"inet","table":"%s","name":"%s"}}}\\n' "$table_name" "$set"; done
  printf ']}\\n'
}
# Its flows are lost with their sets: for some minutes those that live are taken in again.
adopts() {
  [ -n "$table_flows" ] && [ -s "$dir/adoption" ] || return 1
  case " $(echo $1) " in *" $table_flows "*) return 1 ;; esac
  now
  echo $((now + ${ADOPTION_SECONDS})) >"$run/adopting"
}
end_adoption() {
  read -r deadline <"$run/adopting"
  now
  [ "$now" -ge "\${deadline:-0}" ] || return 0
  take_lock || return 0
  rm -f "$run/adopting"
  nft '${ADOPTION.chains.map((name) => `flush chain inet ${TABLE_NAME} ${name}; delete chain inet ${TABLE_NAME} ${name};`).join(' ')}' '${ADOPTION.sets.map((name) => `delete set inet ${TABLE_NAME} ${name};`).join(' ')}' 2>/dev/null
  give_lock
}
strangers() { for one in $1; do case " $2 " in *" $one "*) ;; *) printf '%s ' "$one" ;; esac; done; }
# In place, so that live flows stay; anew where the kernel does not take that.
repair_table() {
  table_now=$(see_table)
  table_input "$(names_in set)" "$(strangers "$(names_in chain)" "$table_chains")" "$(strangers "$(names_in set)" "$table_sets")" >"$run/input"
  nft -j -f "$run/input" 2>"$run/said" && return 0
  # In one transaction: where that fails too, what is left of the table stays.
  table_input "" "" "" | sed 's/^{"nftables":\\[/&{"add":{"table":{"family":"inet","name":"'"$table_name"'"}}},{"delete":{"table":{"family":"inet","name":"'"$table_name"'"}}},/' >"$run/input"
  nft -j -f "$run/input" || { cat "$run/said"; return 1; }
}
learn_table() {
  table_now=$(see_table)
  printf '%s\\n' "$table_now" >"$right/table"
}
`;
