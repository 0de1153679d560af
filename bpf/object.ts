/** A BPF object: opened, its maps sized or replaced, loaded, its descriptors handed out. */
import { existsSync } from 'node:fs';
import { ClassifierError } from './error.js';
import { CallError, call, check, errnoName, type Pointer } from './ffi.js';

/** More than a verifier ever said of this program, by far. */
const LOG_SIZE = 16 * 1024 * 1024;

/** Lines with which the verifier ends its log. */
const CLOSING_LINES = /^(processed |verification time|stack depth|mark_precise|$)/;

/** The line of the verifier's log that says what is wrong: the last one but statistics. */
export function summariseLog(log: string): string | undefined {
  return log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !CLOSING_LINES.test(line))
    .at(-1);
}

function textIn(buffer: Buffer): string {
  const end = buffer.indexOf(0);
  return buffer.toString('utf8', 0, end < 0 ? buffer.length : end);
}

export class BpfObject {
  private readonly log = Buffer.alloc(LOG_SIZE);

  private constructor(
    private readonly object: Pointer,
    private readonly program: string,
  ) {}

  /** Opens the object file at `path`; `program` is the one whose verifier log is kept. */
  static open(path: string, program: string): BpfObject {
    if (!existsSync(path)) {
      throw new ClassifierError(`the classifier ${path} is not built`, {
        code: 'object-missing',
        source: 'host',
        hint: 'run: make -C bpf; or write classifier: nftables',
      });
    }
    return new BpfObject(check('bpf_object__open_file', path, 0n), program);
  }

  /** Only before `load`. */
  setMaxEntries(map: string, entries: number): void {
    check('bpf_map__set_max_entries', this.map(map), Math.max(1, entries));
  }

  /** Takes a map that exists already instead of making one. */
  reuseMap(map: string, fd: number): void {
    check('bpf_map__reuse_fd', this.map(map), fd);
  }

  /** Leaves a program of the file out. */
  skipProgram(name: string): void {
    check('bpf_program__set_autoload', this.programPointer(name), 0);
  }

  /** The constants of section .rodata.config. */
  setConstants(value: Buffer): void {
    check('bpf_map__set_initial_value', this.map('.rodata.config'), value, BigInt(value.length));
  }

  /** @throws ClassifierError with the verifier's log, if it is the verifier that refuses. */
  load(): void {
    check(
      'bpf_program__set_log_buf',
      this.programPointer(this.program),
      this.log,
      BigInt(LOG_SIZE),
    );
    const result = call('bpf_object__load', this.object);
    if (result < 0) throw this.loadError(errnoName(-result));
  }

  mapDescriptor(map: string): number {
    return check('bpf_map__fd', this.map(map));
  }

  programDescriptor(name = this.program): number {
    return check('bpf_program__fd', this.programPointer(name));
  }

  /** Everything that is not attached, pinned or reused elsewhere goes away. */
  close(): void {
    call('bpf_object__close', this.object);
  }

  private map(name: string): Pointer {
    return check('bpf_object__find_map_by_name', this.object, name);
  }

  private programPointer(name: string): Pointer {
    return check('bpf_object__find_program_by_name', this.object, name);
  }

  private loadError(errno: string): ClassifierError {
    const log = textIn(this.log);
    const summary = summariseLog(log);
    if (errno === 'EPERM' && summary === undefined) return permissionError();
    if (errno === 'ENOMEM') {
      return new ClassifierError('the kernel has no memory for the classifier and its tables', {
        code: 'no-memory',
        source: 'host',
        hint: 'make the flow table smaller, or write classifier: nftables',
      });
    }
    const said = summary === undefined ? errno : `${errno}: ${summary}`;
    return new ClassifierError(`the kernel refuses the classifier: ${said}`, {
      code: 'load-refused',
      source: 'kernel',
      hint: 'please report it with the verifier log; write classifier: nftables meanwhile',
      verifierLog: log,
    });
  }
}

export function permissionError(cause?: unknown): ClassifierError {
  return new ClassifierError('loading eBPF programs is not permitted here', {
    code: 'not-permitted',
    source: 'host',
    hint: 'run it as root; or write classifier: nftables',
    cause,
  });
}

export function isCallError(error: unknown, ...errnos: readonly string[]): boolean {
  return error instanceof CallError && errnos.includes(error.errno);
}
