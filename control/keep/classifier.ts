/**
 * How the program of `program.ts` looks after the eBPF classifier. Its own loader answers in some milliseconds; where sidetrack
 * itself attaches, a Node.js would take half a second for each look, so iproute2 is asked, as for all else.
 */

export const CLASSIFIER = `
# As the settings say it; "$dir" may be in it.
bpf() { eval "$bpf_words bpf \\"\\$@\\""; }

# Pins, digest. It starts no program.
check_pins() {
  [ -e "$1/program" ] || { why="its pins are gone"; return 1; }
  for one in "$1/policy/$2"-*; do
    [ -e "$one" ] || { why="another policy is attached"; return 1; }
  done
}

# Pins, the interfaces that it sits on, and the number: what sits there now. Each attach has another id.
see_filters() {
  pins=$1
  shift
  while [ $# -gt 1 ]; do
    tc filter show dev "$1" ingress 2>/dev/null | sed -n "s/.* \\(sidetrack_[a-z]*\\)\\(:.*\\)\\{0,1\\} direct-action.*/$1 \\1/p"
    shift
  done
  for one in "$pins"/xdp/*; do
    [ ! -e "$one" ] || ip -d link show dev "\${one##*/}" 2>/dev/null | sed -n "s/.*prog\\/xdp id .*/\${one##*/} xdp/p"
  done
}
check_filters() {
  if [ -n "$bpf_loader" ]; then
    said=$(bpf show --directory "$1" --brief 2>&1) && return 0
    why=$(printf '%s\\n' "$said" | sed -n 's/.*"name":"\\([^"]*\\)","\\(filter\\|mode\\)":"\\(missing\\|other\\)".*/no program of ours on \\1/p')
    why=\${why:-it is not attached everywhere}
    return 1
  fi
  filters_now=$(see_filters "$@")
  pins=$1
  shift
  while [ $# -gt 1 ]; do
    case "
$filters_now" in *"
$1 sidetrack_"*) ;; *) why="no filter of ours on $1"; return 1 ;; esac
    shift
  done
  [ -s "$right/$1" ] || { printf '%s\\n' "$filters_now" >"$right/$1"; return 0; }
  has_lines "$(cat "$right/$1")" "$filters_now"
}
learn_filters() {
  for number; do :; done
  [ -n "$bpf_loader" ] || see_filters "$@" >"$right/$number"
}

# With the maps that are pinned, so that live flows stay; where those are gone, flows are begun anew.
attach_classifier() {
  file=$dir/attachment-$2.json
  [ -s "$file" ] || { echo "what it is made from is gone: $file"; return 1; }
  bpf attach --directory "$1" --digest "$2" <"$file"
}
`;
