/**
 * systemd on a machine, as far as units of ours see it: they are read, put in order by their own After= and Before=, and
 * started; \`Restart=always\` is obeyed. The network is a unit among them.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Machine } from './machine.js';

const UNITS = '/etc/systemd/system';
const WORLD = '/run/stand-in/units';

const SYSTEMCTL = `#!/bin/sh
quiet=
[ "$1" = --quiet ] && { quiet=1; shift; }
say() { [ -n "$quiet" ] || echo "$1"; }
word=$1
shift
mkdir -p ${WORLD}
of() { sed -n "s/^$2=//p" "${UNITS}/$1"; }
alive() { pid=$(cat "${WORLD}/$1.pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
active() { [ -e "${WORLD}/$1.done" ] || alive "$1"; }
start() {
  [ -e "${UNITS}/$1" ] || { echo "Unit $1 not found." >&2; return 5; }
  ! active "$1" || return 0
  command=$(of "$1" ExecStart)
  if [ "$(of "$1" Type)" = oneshot ]; then
    \${command#-} </dev/null 2>>${WORLD}/journal 9>&- || [ "$command" != "\${command#-}" ] || return 1
    : >"${WORLD}/$1.done"
    return
  fi
  restart=$(of "$1" Restart) pause=$(of "$1" RestartSec)
  setsid sh -c '
    exec 9>&-
    trap "exit 0" TERM
    while :; do
      $1 & echo $! >"$2.pid"; wait $!
      [ "$3" = always ] || exit
      sleep "$4"
    done' sh "$command" "${WORLD}/$1" "$restart" "\${pause:-0.1}" </dev/null >/dev/null 2>>${WORLD}/journal &
  echo $! >"${WORLD}/$1.keeper"
}
stop() {
  rm -f "${WORLD}/$1.done"
  keeper=$(cat "${WORLD}/$1.keeper" 2>/dev/null) && kill "$keeper" 2>/dev/null
  alive "$1" || return 0
  kill "$pid"
  tries=200
  while kill -0 "$pid" 2>/dev/null && [ $tries -gt 0 ]; do sleep 0.05; tries=$((tries - 1)); done
}
case $word in
daemon-reload) ;;
is-active) if active "$1"; then say active; else say inactive; exit 3; fi ;;
is-enabled) for link in ${UNITS}/*.wants/"$1"; do [ ! -e "$link" ] || { say enabled; exit 0; }; done; say disabled; exit 1 ;;
show) echo ;;
start | stop) for unit; do $word "$unit" || exit; done ;;
restart) stop "$1"; start "$1" ;;
*) exit 1 ;;
esac
`;

export async function addUnits(machine: Machine): Promise<void> {
  writeFileSync(join(machine.setUp.wrappers, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
  await machine.shell('mkdir -p /run/systemd/system');
}

interface Unit {
  name: string;
  after: readonly string[];
  before: readonly string[];
  start(): Promise<unknown>;
}

/** @param etc the machine's /etc, as seen from outside; `network` makes the node's network be there */
export async function bootUnits(
  machine: Machine,
  etc: string,
  network: () => Promise<void>,
): Promise<string[]> {
  await addUnits(machine);
  const directory = join(etc, 'systemd/system');
  mkdirSync(directory, { recursive: true });
  const targets = readdirSync(directory).filter((name) => name.endsWith('.wants'));
  const links = targets.flatMap((name) =>
    readdirSync(join(directory, name)).map((unit) => join(directory, name, unit)),
  );
  // What a host has of others is not what is tested here.
  const own = links.filter((link) => /^sidetrack-/.test(basename(link)));
  const units: Unit[] = own.map((link) => {
    const text = readFileSync(join(etc, readlinkSync(link).replace(/^\/etc\//, '')), 'utf8');
    const words = (key: string) =>
      [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].flatMap(([, all]) => all!.split(' '));
    return {
      name: basename(link),
      after: words('After'),
      before: words('Before'),
      start: () =>
        machine.shell(
          'PATH=$1:$PATH; systemctl start "$2"',
          machine.setUp.wrappers,
          basename(link),
        ),
    };
  });
  units.push(
    { name: 'network-pre.target', after: [], before: [], start: async () => undefined },
    {
      name: 'networking.service',
      after: ['network-pre.target'],
      before: ['network.target'],
      start: network,
    },
    { name: 'network.target', after: [], before: [], start: async () => undefined },
  );
  const order = inOrder(units);
  for (const unit of order) await unit.start();
  return order.map(({ name }) => name);
}

/** @throws where they wait for each other */
function inOrder(units: readonly Unit[]): Unit[] {
  const left = new Set(units);
  const done: Unit[] = [];
  while (left.size > 0) {
    const next = [...left].find((unit) =>
      [...left].every(
        (other) =>
          other === unit || !(unit.after.includes(other.name) || other.before.includes(unit.name)),
      ),
    );
    if (next === undefined)
      throw new Error(`ordering cycle: ${[...left].map(({ name }) => name).join(', ')}`);
    left.delete(next);
    done.push(next);
  }
  return done;
}
