/**
 * What outlives the process: pins in one directory of a BPF file system.
 *
 *   flows_v4 flows_v6 clients counters servers moved  shared by all program sets
 *   program rule_counters rule_names  of the program set in force
 *   xdp_program hear_program        of the program set in force, if it has them
 *   xdp/<device>/                   it is there, or is about to be
 *   policy/<digest>/                what the program set in force was made from
 *   way/<bridge>=<mac>=<port>/      on which port the bridge heard the server, for XDP
 *   targets/<number>=…=<name>/      the targets, in the order of the configuration's numbers
 *   listening/<name>/               interfaces where the filter hears heartbeats and does nothing else
 *   interfaces/<name>/              our filter is there, or is about to be
 *   interfaces/<name>/clsact/       so is the qdisc, which we made
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ClassifierError } from './error.js';
import { check, closeDescriptor } from './ffi.js';
import { permissionError } from './object.js';

const BPF_FS_MAGIC = 0xcafe4a11;

/** A program set's pins appear under this name first, and replace the old ones by a rename. */
const NEXT = '_next';

const METADATA = ['policy', 'way', 'targets', 'listening'] as const;
type MetadataKind = (typeof METADATA)[number];

/** The BPF file system reserves dots. */
const escapeName = (name: string) => name.replaceAll('%', '%25').replaceAll('.', '%2e');
const unescapeName = (name: string) => name.replaceAll('%2e', '.').replaceAll('%25', '%');

export class PinDirectory {
  constructor(readonly path: string) {}

  /** @throws ClassifierError unless it lies in a BPF file system. */
  requireFileSystem(): void {
    const parent = dirname(this.path);
    if (!existsSync(parent) || statfsSync(parent).type !== BPF_FS_MAGIC) {
      throw new ClassifierError(`${parent} is no BPF file system`, {
        code: 'bpffs-missing',
        source: 'host',
        hint: `mount one: mount -t bpf bpf ${parent}; or write classifier: nftables`,
      });
    }
  }

  create(): void {
    this.requireFileSystem();
    for (const one of ['interfaces', 'xdp'])
      mkdirSync(join(this.path, one), { recursive: true, mode: 0o700 });
  }

  /** @throws ClassifierError when we may not look: "not there" would be a guess. */
  get exists(): boolean {
    try {
      return statSync(this.path, { throwIfNoEntry: false }) !== undefined;
    } catch (cause) {
      throw permissionError(cause);
    }
  }

  has(name: string): boolean {
    return existsSync(join(this.path, name));
  }

  /** A descriptor of what is pinned as `name`, or nothing. The caller closes it. */
  open(name: string): number | undefined {
    return this.has(name) ? check('bpf_obj_get', join(this.path, name)) : undefined;
  }

  /** What `visit` makes of what is pinned as `name`, or nothing. */
  use<T>(name: string, visit: (fd: number) => T): T | undefined {
    const fd = this.open(name);
    if (fd === undefined) return undefined;
    try {
      return visit(fd);
    } finally {
      closeDescriptor(fd);
    }
  }

  pin(name: string, fd: number): void {
    rmSync(join(this.path, name), { force: true });
    check('bpf_obj_pin', fd, join(this.path, name));
  }

  /** Pins beside the program set in force; `commitNext` puts it into force. */
  pinNext(name: string, fd: number): void {
    this.pin(name + NEXT, fd);
  }

  commitNext(name: string): void {
    renameSync(join(this.path, name + NEXT), join(this.path, name));
  }

  discardNext(name: string): void {
    this.discard(name + NEXT);
  }

  discard(name: string): void {
    rmSync(join(this.path, name), { force: true });
  }

  /** What an attach left that was killed before it came into force. */
  discardAllNext(): void {
    if (!existsSync(this.path)) return;
    for (const name of readdirSync(this.path)) if (name.endsWith(NEXT)) this.discard(name);
  }

  /** Devices with the XDP program. */
  devices(): string[] {
    return this.entries('xdp');
  }

  addDevice(name: string): void {
    mkdirSync(join(this.path, 'xdp', escapeName(name)), { recursive: true });
  }

  removeDevice(name: string): void {
    const path = join(this.path, 'xdp', escapeName(name));
    if (existsSync(path)) rmdirSync(path);
  }

  interfaces(): string[] {
    return this.entries('interfaces');
  }

  addInterface(name: string): void {
    mkdirSync(this.interfacePath(name), { recursive: true });
  }

  addQdisc(name: string): void {
    mkdirSync(join(this.interfacePath(name), 'clsact'), { recursive: true });
  }

  removeQdisc(name: string): void {
    rmdirSync(join(this.interfacePath(name), 'clsact'));
  }

  hasQdisc(name: string): boolean {
    return existsSync(join(this.interfacePath(name), 'clsact'));
  }

  removeInterface(name: string): void {
    const path = this.interfacePath(name);
    for (const one of [join(path, 'clsact'), path]) if (existsSync(one)) rmdirSync(one);
  }

  /**
   * `policy` says what the program set in force was made from, nothing while that is about to
   * change; `way` where its XDP program sends, `targets` to whom, `listening` where else it hears them.
   */
  writeMetadata(kind: MetadataKind, values: readonly string[]): void {
    const path = join(this.path, kind);
    if (existsSync(path)) {
      for (const old of readdirSync(path)) rmdirSync(join(path, old));
      rmdirSync(path);
    }
    for (const value of values) mkdirSync(join(path, escapeName(value)), { recursive: true });
  }

  readMetadata(kind: MetadataKind): string[] {
    return this.entries(kind);
  }

  /** Everything, when no interface is left. */
  remove(): void {
    if (!this.exists) return;
    for (const kind of METADATA) this.writeMetadata(kind, []);
    for (const entry of readdirSync(this.path, { withFileTypes: true })) {
      const path = join(this.path, entry.name);
      if (entry.isDirectory()) rmdirSync(path);
      else rmSync(path);
    }
    rmdirSync(this.path);
  }

  private entries(directory: string): string[] {
    const path = join(this.path, directory);
    return existsSync(path) ? readdirSync(path).map(unescapeName).sort() : [];
  }

  private interfacePath(name: string): string {
    return join(this.path, 'interfaces', escapeName(name));
  }
}
