/** What a host has of what brings it back at boot, and what else stands in those places. */
import type { Query } from '../command/query.js';
import {
  BOOT_PATHS,
  FIREWALL_CONFIG,
  FIREWALL_SECTION,
  INIT_SCRIPT,
  KEEP_UNIT,
} from '../plan/boot-files.js';
import {
  type FoundEntry,
  INITS,
  KEEP_DIRECTORY,
  MADE_DIRECTORIES,
  type ObservedPersist,
  OWN_MARK,
} from '../plan/persist.js';
import type { ObservedFrom, ObservedHost } from '../plan/state.js';

/**
 * A line each: a word, and what belongs to it. $1: the directory of what is kept, $2: of the state, $3: the watcher's unit,
 * $4: its script, $5: how our files begin, $6: the firewall's configuration, $7: our section there; then the paths.
 */
const LOOK = `keep=$1 state=$2 unit=$3 script=$4 mark=$5 firewall=$6 section=$7
shift 7
has() { command -v "$1" >/dev/null 2>&1; }
if [ -d /run/systemd/system ] && has systemctl; then
  echo init systemd
  ! systemctl --quiet is-active "$unit" || echo active
  ! systemctl --quiet is-enabled sidetrack-heartbeat.service 2>/dev/null || echo heartbeats
elif [ -e /etc/rc.common ] && [ -e /lib/functions/procd.sh ]; then
  echo init procd
  if [ -x "$script" ] && "$script" running >/dev/null 2>&1; then echo active; fi
elif [ -e /sbin/openrc-run ]; then echo init openrc
else echo init other
fi
[ -w /etc ] || echo sealed
for directory in /usr/lib /lib; do [ ! -e $directory/systemd/systemd-networkd ] || echo networkd; done
if [ -f "$firewall" ]; then
  if grep -q "^config include '*$section'*" "$firewall"; then echo firewall included; else echo firewall without; fi
fi
for one in "$keep"/.[!.]* "\${keep%/*}/.keep.sidetrack" /etc/.sidetrack.sidetrack "\${firewall%/*}/.\${firewall##*/}.sidetrack"; do
  [ ! -e "$one" ] || echo waiting
done
for one; do
  hidden=\${one%/*}/.\${one##*/}.sidetrack
  if [ -e "$hidden" ] || [ -L "$hidden" ]; then echo waiting; fi
done
for one in "$@" "$keep"/*; do
  if [ -L "$one" ]; then echo "link $one $(readlink "$one")"
  elif [ -f "$one" ]; then
    own=no
    ! head -n 2 "$one" | grep -q "^$mark" || own=yes
    echo "file $one $(ls -ln "$one" | cut -c2-10) $(wc -c <"$one" | tr -d ' ') $(sha256sum <"$one" | cut -d' ' -f1) $own"
    case $one in "$keep"/*) ;; *) head -c 4096 "$one" | sed 's/^/| /' ;; esac
  elif [ -e "$one" ] && [ "$one" != "$keep/state" ]; then echo "odd $one"
  fi
done
# Whether what the next apply and down go by is kept, too.
for one in "$state"/state.json "$state"/listing "$state"/attachment-*.json; do
  [ ! -e "$one" ] || cmp -s "$one" "$keep/state/\${one##*/}" || { echo unsaved; break; }
done
:`;

export function persistQuery({
  ownsEtc,
  stateDir,
}: Pick<ObservedFrom, 'ownsEtc' | 'stateDir'>): Query<Pick<ObservedHost, 'persist'>> {
  if (!ownsEtc) return { commands: [], parse: () => ({}) };
  const words = [KEEP_DIRECTORY, stateDir, KEEP_UNIT, INIT_SCRIPT, OWN_MARK];
  const firewall = [FIREWALL_CONFIG, FIREWALL_SECTION];
  return {
    commands: [
      {
        argv: ['sh', '-c', LOOK, 'sh', ...words, ...firewall, ...BOOT_PATHS],
        purpose: 'looking for what is brought back at boot',
      },
    ],
    parse: (answer) => ({ persist: persistOf(answer?.result.stdout ?? '') }),
  };
}

/** @param said lines of `LOOK` */
export function persistOf(said: string): ObservedPersist {
  const lines = said.split('\n');
  const has = (word: string) => lines.includes(word);
  const init = INITS.find((one) => has(`init ${one}`)) ?? 'other';
  const firewall = (['included', 'without'] as const).find((one) => has(`firewall ${one}`));
  const texts = textsIn(lines);
  const found = Object.fromEntries(lines.flatMap((line, i) => entryOf(line, texts.get(i))));
  return {
    init,
    isKept: Object.entries(found).some(([path, one]) => isOurs(path, one)),
    hasLeftovers: has('waiting'),
    isActive: has('active'),
    isSealed: has('sealed'),
    isStateKept: !has('unsaved'),
    hasNetworkd: has('networkd'),
    startsHeartbeats: has('heartbeats'),
    ...(firewall && { firewall }),
    found,
  };
}

/** Those that `control/plan/boot-files.ts` knows, and no others, are looked at. */
export function isOurs(path: string, found: FoundEntry): boolean {
  if (path.startsWith(`${KEEP_DIRECTORY}/`)) return true;
  if (found.kind === 'link')
    return /(^|\/)sidetrack-(keep|restore)(\.service)?$/.test(found.target);
  return found.kind === 'file' && found.isOurs;
}

/** What stands behind a line, by its number. */
function textsIn(lines: readonly string[]): Map<number, string> {
  const texts = new Map<number, string>();
  let owner = 0;
  for (const [i, line] of lines.entries())
    if (line.startsWith('| ')) texts.set(owner, `${texts.get(owner) ?? ''}${line.slice(2)}\n`);
    else owner = i;
  return texts;
}

const FILE = /^file (\/[\w@./-]+) ([rwxstST-]{9}) (\d+) ([0-9a-f]{64}) (yes|no)$/;
const OTHER = /^(link|odd) (\/[\w@./-]+)(?: (.*))?$/;

function entryOf(line: string, text: string | undefined): [string, FoundEntry][] {
  const [, path, bits, bytes, digest, own] = FILE.exec(line) ?? [];
  if (path !== undefined && path !== MADE_DIRECTORIES)
    return [
      [
        path,
        {
          kind: 'file',
          mode: modeOf(bits!),
          bytes: Number(bytes),
          digest: digest!,
          isOurs: own === 'yes',
          ...(text !== undefined && { text }),
        },
      ],
    ];
  const [, kind, other, target = ''] = OTHER.exec(line) ?? [];
  if (other === undefined) return [];
  return [[other, kind === 'link' ? { kind: 'link', target } : { kind: 'odd' }]];
}

const modeOf = (bits: string): number =>
  Number.parseInt([...bits].map((letter) => (/[-ST]/.test(letter) ? '0' : '1')).join(''), 2);
