/** What is said to a change on its host: commands for the program that it left there, see `change-program.ts`. */
import type { Command } from './command.js';

export const changeDirectory = (stateDir: string) => `${stateDir}/change`;

const programPath = (stateDir: string) => `${changeDirectory(stateDir)}/program`;

/** What a person types on the host. */
export const confirmThere = (stateDir: string) => `sh ${programPath(stateDir)} confirm`;

/** Both files are new, and root's alone. @param steps the functions that the program calls */
export function layDown(stateDir: string, program: string, steps: string): Command[] {
  const directory = changeDirectory(stateDir);
  const fresh = 'umask 077 && rm -rf "$1" && mkdir "$1" && cat >"$1/program"';
  const beside = 'umask 077 && cat >"$1/steps"';
  const write = (script: string, stdin: string): Command => ({
    argv: ['sh', '-c', script, 'sh', directory],
    stdin,
    writes: directory,
  });
  return [write(fresh, program), write(beside, steps)];
}

function verb(stateDir: string, words: readonly string[], purpose: string): Command {
  return { argv: ['sh', programPath(stateDir), ...words], purpose };
}

/** Notes what is there before the first step, and leaves the watchdog. @param about who, as JSON on one line */
export const arm = (stateDir: string, seconds: number, about: string): Command =>
  verb(stateDir, ['arm', String(seconds), about], 'arming the revert');

/** Fails when the change has ended already. */
export const begin = (stateDir: string, step: number): Command =>
  verb(stateDir, ['begin', String(step)], 'the journal of the change');

/** The deadline is the whole time-out away again. */
export const countdown = (stateDir: string): Command =>
  verb(stateDir, ['countdown'], 'setting the deadline of the change');

/** Keeps the change, and does not end before the watchdog has. */
export const confirm = (stateDir: string): Command =>
  verb(stateDir, ['confirm'], 'confirming the change');

/** Reverts the change, and does not end before that has. */
export const back = (stateDir: string, reason: string): Command =>
  verb(stateDir, ['back', reason], 'reverting the change');

export const forget = (stateDir: string): Command => ({
  argv: ['rm', '-rf', changeDirectory(stateDir)],
});

/** Prints nothing where there is no change; what it prints `plan/change-state.ts` reads. */
export function readChange(stateDir: string): Command {
  const script = `
cd "$1" 2>/dev/null || exit 0
for phase in pending reverting reverted confirmed; do [ ! -e $phase ] || break; done
[ -e $phase ] || exit 0
echo "phase $phase"
read -r now _ </proc/uptime; echo "now \${now%%.*}"
[ ! -s deadline ] || echo "deadline $(cat deadline)"
[ ! -s about ] || echo "about $(cat about)"
( flock -s -n 8 ) 8<watchdog 2>/dev/null
[ $? != 1 ] || echo "watchdog yes"
read -r boot </proc/sys/kernel/random/boot_id
[ ! -s boot ] || [ "$boot" = "$(cat boot)" ] || echo "rebooted yes"
echo "begun $(grep -c . journal)"
cat $phase`;
  return {
    argv: ['sh', '-c', script, 'sh', changeDirectory(stateDir)],
    purpose: 'reading the state of the last change',
  };
}
