/** `sidetrack-bpf`, the loader of routers without Node.js, as the tests run it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BundleMaker, writeBundle } from '../../bpf/bundle.js';
import type { Steering } from '../../bpf/config.js';
import { check, closeDescriptor } from '../../bpf/ffi.js';
import type { ClassifierPolicy } from '../../bpf/policy.js';
import { PROGRAM } from '../../bpf/program-set.js';
import { attachOptions } from '../../control/policy/attach-options.js';
import { parseSpec } from '../../control/policy/classifier-spec.js';
import { requireAll } from '../netns/rivals/installed.js';
import { type Loaded, OBJECT } from './run.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const loaderOf = (machine: string): string =>
  join(ROOT, `build/bpf/loader/sidetrack-bpf-${machine}`);

const MACHINES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** This machine's own; `make loader` builds it. */
export const LOADER = loaderOf(MACHINES[process.arch] ?? process.arch);
export const canLoad = requireAll || existsSync(LOADER);

export const maker = (): BundleMaker => ({ object: readFileSync(OBJECT), version: 'test' });

/** @param spec as `sidetrack bpf attach` reads it. */
export function bundleOf(spec: string): string {
  const {
    directory: _,
    object: __,
    ...options
  } = attachOptions(parseSpec(spec), {
    directory: '',
    object: '',
  });
  return writeBundle(options, maker());
}

/** Of maps and programs, those that the loader leaves pinned. */
const PINS: Readonly<Record<string, string>> = { [PROGRAM]: 'program' };

/** A BPF file system and an interface of their own, in this process's network namespace. */
export class LoaderPlace {
  readonly #mount = mkdtempSync(join(tmpdir(), 'sidetrack-loader-'));

  constructor() {
    run('mount', ['-t', 'bpf', 'bpf', this.#mount]);
    run('ip', ['link', 'add', 'in0', 'type', 'veth', 'peer', 'name', 'in1']);
  }

  /** Attaches by the loader, and opens what it pinned. */
  load(policy: ClassifierPolicy, steering: Steering): Loaded {
    const directory = join(this.#mount, 'sidetrack');
    const { targets, ...rest } = steering;
    const input = writeBundle(
      { interfaces: ['in0'], policy, steering: { ...rest, targets }, flowTableSize: 4096 },
      maker(),
    );
    run(LOADER, ['attach', '--directory', directory], input);
    const opened = new Map<string, number>();
    const open = (pin: string): number => {
      const fd = opened.get(pin) ?? check('bpf_obj_get', join(directory, pin));
      opened.set(pin, fd);
      return fd;
    };
    return {
      programDescriptor: (name = PROGRAM) => open(PINS[name] ?? name),
      mapDescriptor: open,
      close: () => {
        for (const fd of opened.values()) closeDescriptor(fd);
        run(LOADER, ['detach', '--directory', directory]);
      },
    };
  }

  close(): void {
    run('ip', ['link', 'del', 'in0']);
    run('umount', [this.#mount]);
    rmSync(this.#mount, { recursive: true });
  }
}

function run(program: string, argv: readonly string[], input = ''): void {
  const { status, stderr, error } = spawnSync(program, argv, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${argv[0]}: ${error?.message ?? stderr}`);
}
