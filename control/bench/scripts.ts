/** What is run on a host, as text for sh: BusyBox's will do. */
import type { Command } from '../command/command.js';
import { shellWords } from '../command/shell.js';

export interface ProgramOutput {
  status: number;
  stdout: string;
  stderr: string;
}

/** Directories where iperf3 may be that a login shell does not know. */
const SEARCH = 'LC_ALL=C; PATH=$PATH:/usr/local/bin:/opt/bin:/usr/sbin:/sbin; export LC_ALL PATH';

/**
 * Runs programs side by side to their end, but no longer than so many seconds.
 * @param token names its process among all others, so that it can be found and ended
 */
export function sideBySide(
  programs: readonly (readonly string[])[],
  seconds: number,
  token: string,
): Command {
  const starts = programs.map(
    (argv, i) => `${shellWords(argv)} >"$d/${i}.out" 2>"$d/${i}.err" </dev/null & pids="$pids $!"`,
  );
  const prints = programs.map(
    (_, i) =>
      `echo "$0 ${i} $(cat "$d/${i}.status")"; cat "$d/${i}.out"; echo; echo "$0 err"; cat "$d/${i}.err"; echo`,
  );
  const script = `${SEARCH}
d=$(mktemp -d) || exit 1
pids= dog=
trap 'kill $pids $dog 2>/dev/null' TERM INT HUP
${starts.join('\n')}
( trap 'kill $s 2>/dev/null; exit' TERM; sleep ${seconds} & s=$!; wait $s; kill $pids; sleep 1; kill -9 $pids ) >/dev/null 2>&1 </dev/null & dog=$!
i=0
for p in $pids; do wait $p; echo $? >"$d/$i.status"; i=$((i + 1)); done
kill $dog 2>/dev/null
${prints.join('\n')}
rm -rf "$d"`;
  return { argv: ['sh', '-c', script, token], purpose: 'measuring', program: programs[0] ?? [] };
}

/** Reads what `sideBySide` has printed; one that said nothing has status 127. */
export function readSideBySide(stdout: string, token: string, count: number): ProgramOutput[] {
  const parts = stdout.split(`${token} `).slice(1);
  return Array.from({ length: count }, (_, i) => {
    const at = parts.findIndex((part) => new RegExp(`^${i} \\d*\\n`).test(part));
    const [, head = '', out = ''] = /^\d+ (\d*)\n([\s\S]*)$/.exec(parts[at] ?? '') ?? [];
    const err = parts[at + 1] ?? '';
    const stderr = at >= 0 && err.startsWith('err\n') ? err.slice('err\n'.length) : '';
    return { status: head === '' ? 127 : Number(head), stdout: out, stderr: stderr.trim() };
  });
}

/** Ends the processes that have both halves of a token in one word of their command line; this one has them in two. */
export function endByToken(token: string): Command {
  const half = Math.floor(token.length / 2);
  const script = `for d in /proc/[0-9]*; do
  case $(tr '\\0' ' ' <"$d/cmdline" 2>/dev/null) in *"$1$2"*) kill "\${d#/proc/}" 2>/dev/null ;; esac
done
:`;
  return { argv: ['sh', '-c', script, 'sh', token.slice(0, half), token.slice(half)] };
}

/** Without a beat for so many seconds the programs are ended: the way there is lost. */
const LEASE_SECONDS = 20;
export const BEAT_MS = 4000;
/** Printed when the programs have been started. */
export const READY = 'ready';

/**
 * Programs that run as long as somebody attends: it ends them when its standard input ends, or when no line has come there
 * for too long, or when it is told to. `wait` tells a beat by its status, above 128: bash may return from it once more for a
 * signal whose trap has already run, so a variable that the trap sets would be too late. A beat may come before the trap is
 * set, so USR1 is ignored until then.
 */
export function attendedScript(
  programs: readonly (readonly string[])[],
  leaseSeconds = LEASE_SECONDS,
): string {
  const starts = programs.map(
    (argv) => `${shellWords(argv)} >/dev/null </dev/null & pids="$pids $!"`,
  );
  return `${SEARCH}
pids= main=$$
${starts.join('\n')}
trap '' USR1
(
  trap : USR1; trap 'kill $s 2>/dev/null; exit 0' TERM
  while :; do
    sleep ${leaseSeconds} & s=$!; wait $s
    [ $? -gt 128 ] || break
    kill $s 2>/dev/null
  done
  kill $pids; sleep 1; kill -9 $pids $main
) >/dev/null 2>&1 </dev/null & dog=$!
finish() { trap - TERM HUP INT; kill $pids $dog 2>/dev/null; wait; exit 0; }
trap finish TERM HUP INT
echo "${READY}$pids"
while read -r beat; do kill -USR1 $dog 2>/dev/null; done
finish`;
}
