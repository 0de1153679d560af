/**
 * What attaches the eBPF classifier on a machine behind ssh: sidetrack, where that is there and of our version; else
 * a static program of ours, `sidetrack-bpf`, that is sent over the same connection. It takes the same words, and
 * bundles in place of specifications. The file is named by what is in it, and `down` removes it.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { programDigest } from '../../bpf/bundle.js';
import { commandError } from '../command/answer.js';
import type { Command } from '../command/command.js';
import type { Query } from '../command/query.js';
import type { FarLoader, Transport } from './host.js';
import { FAR_COMMAND, packageFile, version } from './sidetrack.js';

/** `attach`: one is needed. `look`: only where something of ours is attached. */
export type LoaderNeed = 'attach' | 'look';

/** As `uname -m` says it; those of `make -C bpf/loader every`. */
const MACHINES = ['x86_64', 'aarch64', 'armv7l'] as const;
type Machine = (typeof MACHINES)[number];
/** 32 bits of a 64-bit processor. */
const ALIASES: Readonly<Record<string, Machine>> = { armv8l: 'armv7l' };

/** On Debian programs cannot be run from /run. */
const DIRECTORIES = ['/run/sidetrack', '/var/lib'] as const;
const NAME = 'sidetrack-bpf';

export const CLASSIFIER_OBJECT = packageFile('build/bpf/classify.bpf.o');

/** Why sidetrack itself will not do. */
type Misfit = { status: number; version: string } | undefined;

interface Found {
  /** Absent where nothing was asked for. */
  machine?: string;
  sidetrack?: Misfit;
  /** Where a program can be put and run. */
  directory?: string;
  /** Names of those that are there already. */
  names: readonly string[];
  /** Something of ours is attached. */
  isAttached: boolean;
}

const QUESTION = `
need=$1 node=$2
shift 2
attached=
for pins in /sys/fs/bpf/sidetrack*; do [ ! -d "$pins" ] || attached=yes; done
[ "$need" = attach ] || [ -n "$attached" ] || exit 0
[ -z "$attached" ] || echo attached
echo "machine $(uname -m)"
if command -v "$node" >/dev/null; then
  said=$("$node" --version </dev/null 2>/dev/null)
  echo "sidetrack $? $said"
fi
runs() {
  awk -v path="$(readlink -f "$1")/" '
    { mount = $2; sub("/*$", "/", mount)
      if (index(path, mount) == 1 && length(mount) >= best) { best = length(mount); how = "," $4 "," } }
    END { exit how ~ /,(noexec|ro),/ }' /proc/self/mounts
}
for directory; do
  top=$directory
  while [ ! -d "$top" ]; do top=\${top%/*}; top=\${top:-/}; done
  runs "$top" || continue
  echo "directory $directory"
  for one in "$directory/${NAME}"-*; do [ ! -x "$one" ] || echo "name \${one##*/}"; done
  break
done`;

/** One round trip with all else that is asked first; a second Node.js takes its time, so it is started where it matters. */
export const loaderQuery = (need: LoaderNeed): Query<Found> => ({
  commands: [
    {
      argv: ['sh', '-c', QUESTION, 'sh', need, ...FAR_COMMAND, ...DIRECTORIES],
      purpose: 'asking what can attach the eBPF classifier there',
    },
  ],
  parse: ({ result: { stdout } }) => parseFound(stdout),
});

export function parseFound(text: string): Found {
  const lines = text.split('\n').map((line) => /^(\w+) ?(.*)$/.exec(line)?.slice(1) ?? []);
  const all = (word: string) => lines.flatMap(([one, rest = '']) => (one === word ? [rest] : []));
  const [machine] = all('machine');
  const [directory] = all('directory');
  const [, status, said = ''] = /^(\d+) ?(.*)$/.exec(all('sidetrack')[0] ?? '') ?? [];
  return {
    ...(machine !== undefined && { machine }),
    ...(directory !== undefined && { directory }),
    ...(status !== undefined && { sidetrack: { status: Number(status), version: said } }),
    names: all('name'),
    isAttached: all('attached').length > 0,
  };
}

/**
 * @param built path of the program for a machine; absent where there is none.
 * @returns undefined where nothing was asked for
 */
export async function farLoader(
  transport: Transport,
  found: Found,
  built: (machine: string) => string | undefined = builtLoader,
): Promise<FarLoader | undefined> {
  const { machine, sidetrack, directory, names, isAttached } = found;
  if (machine === undefined) return undefined;
  if (sidetrack?.status === 0 && sidetrack.version === version()) return { kind: 'sidetrack' };
  const path = built(machine);
  if (path === undefined || directory === undefined) return none(found, path);
  const program = readFileSync(path);
  const name = `${NAME}-${digest(program)}`;
  const target = `${directory}/${name}`;
  let isThere = names.includes(name);
  const put = async () => {
    if (isThere) return;
    const command = sendProgram(target, program);
    const result = await transport.run(command);
    if (result.status !== 0) throw commandError(transport, command, result);
    isThere = true;
  };
  // It is asked what is attached in the next round trip.
  if (isAttached) await put();
  const object = programDigest(readFileSync(CLASSIFIER_OBJECT));
  return { kind: 'bundle', command: [target, '--program', object], put };
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 12);

function builtLoader(machine: string): string | undefined {
  const known = MACHINES.find((one) => one === (ALIASES[machine] ?? machine));
  if (known === undefined) return undefined;
  const path = packageFile(`build/bpf/loader/${NAME}-${known}`);
  return existsSync(path) ? path : undefined;
}

function none({ machine = '', sidetrack }: Found, path: string | undefined): FarLoader {
  const own = version();
  const install = `install sidetrack ${own} and Node.js there, or write classifier: nftables`;
  const isKnown = MACHINES.some((one) => one === (ALIASES[machine] ?? machine));
  const has =
    sidetrack === undefined
      ? 'has none'
      : sidetrack.status === 0
        ? `has one ${sidetrack.version}`
        : `has one that ends with status ${sidetrack.status}`;
  if (!isKnown)
    return {
      kind: 'none',
      why: `${has}, and is a machine (${machine}) that no loader of ours is built for`,
      hint: install,
    };
  if (path === undefined)
    return {
      kind: 'none',
      why: `${has}, and this installation has no loader for ${machine} to send there`,
      hint: `build it here: make loader; or ${install}`,
    };
  return {
    kind: 'none',
    why: `${has}, and programs can be put and run in none of ${DIRECTORIES.join(', ')}`,
    hint: `remount one of them without noexec and ro; or ${install}`,
  };
}

/** A later apply, and `down`, remove it by what the saved state says of it. */
const RECEIVE = `
mkdir -p "\${1%/*}" || exit
(umask 077; sh | gzip -dc >"$1.new") && chmod 700 "$1.new" && "$1.new" --version >/dev/null && mv "$1.new" "$1" ||
  { rm -f "$1.new"; exit 1; }`;

/**
 * Routers have neither base64 nor anything else in common that reads binary from text, but printf: its octal escapes
 * print any byte. What does not arrive whole gzip refuses.
 */
export function sendProgram(path: string, program: Buffer): Command {
  return {
    argv: ['sh', '-c', RECEIVE, 'sh', path],
    stdin: printed(gzipSync(program)),
    purpose: 'sending the loader of the eBPF classifier',
    writes: path,
  };
}

/** In one word of a shell's line. */
const LINE = 4096;
const PLAIN = /^[A-Za-z0-9 !#&()*+,./:;<=>?@[\]^_{|}~-]$/;
const ESCAPES = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return PLAIN.test(character) ? character : `\\${byte.toString(8).padStart(3, '0')}`;
});

/** A script that prints the bytes. */
export function printed(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE) {
    let line = '';
    for (const byte of bytes.subarray(at, at + LINE)) line += ESCAPES[byte];
    // A format that begins with a dash may be taken for an option.
    lines.push(`printf '${line.startsWith('-') ? `\\055${line.slice(1)}` : line}'`);
  }
  return `${lines.join('\n')}\n`;
}
