/** Runs packets through a loaded program set with BPF_PROG_TEST_RUN: the real program, no network. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataType, load, open } from 'ffi-rs';
import { events, outcomes, structSize } from '../../bpf/abi.js';
import type { Steering, SteeringTarget } from '../../bpf/config.js';
import { addressOf, check } from '../../bpf/ffi.js';
import { type Count, readCounters, updateElement } from '../../bpf/map.js';
import { isCallError } from '../../bpf/object.js';
import type { ClassifierPolicy } from '../../bpf/policy.js';
import { HEARTBEAT_PROGRAM, loadProgramSet, type SharedMap } from '../../bpf/program-set.js';
import { compileTables } from '../../bpf/tables.js';
import { XDP_PROGRAM } from '../../bpf/xdp.js';
import { GUARDS } from './arbitraries.js';

export const OBJECT = join(
  fileURLToPath(new URL('../..', import.meta.url)),
  'build/bpf/classify.bpf.o',
);

export const EXPRESS_OBJECT = join(
  fileURLToPath(new URL('../..', import.meta.url)),
  'build/bpf/express.bpf.o',
);

export const MARK = { value: 0x96, mask: 0xff };
export const PASS = -1;
export const DROP = 2;
export const REDIRECT = 7;

export const TARGET: SteeringTarget = {
  mark: MARK,
  nextHop: { v4: 0xc0a80102, v6: (0xfd00n << 112n) | 2n },
  macs: GUARDS.serverMacs,
};

export const STEERING: Steering = {
  targets: [TARGET],
  serverAddresses: [0xc0a80102, (0xfd00n << 112n) | 2n],
  onFailure: 'direct',
};

const CLONE_NEWNET = 0x40000000;

/**
 * Moves this thread into a network namespace of its own, so that what the program asks of the
 * routing tables does not depend on the machine.
 */
export function leaveNetwork(): void {
  open({ library: 'libc-test', path: 'libc.so.6' });
  const result = load({
    library: 'libc-test',
    funcName: 'unshare',
    retType: DataType.I32,
    paramsType: [DataType.I32],
    paramsValue: [CLONE_NEWNET],
  });
  if (result !== 0) throw new Error('unshare needs root');
}

/** `struct __sk_buff`: only mark is read and written here. */
const CONTEXT_SIZE = 192;
const MARK_OFFSET = 8;
/** `struct bpf_test_run_opts`. */
const OPTIONS_SIZE = 88;
const RETVAL = 56;

export interface Result {
  /** The program's return value. */
  action: number;
  mark: number;
  /** The packet afterwards. */
  data: Buffer;
}

/** What of a loaded program set packets are run through. */
export interface Loaded {
  programDescriptor(name?: string): number;
  mapDescriptor(map: string): number;
  close(): void;
}

export class Runner {
  private readonly data = Buffer.alloc(4096);
  private readonly out = Buffer.alloc(4096);
  private readonly contextIn = Buffer.alloc(CONTEXT_SIZE);
  private readonly contextOut = Buffer.alloc(CONTEXT_SIZE);
  private readonly options = Buffer.alloc(OPTIONS_SIZE);
  private readonly program: number;

  constructor(readonly object: Loaded) {
    this.program = object.programDescriptor();
    this.options.writeBigUInt64LE(BigInt(OPTIONS_SIZE), 0);
    this.options.writeBigUInt64LE(addressOf(this.data), 8);
    this.options.writeBigUInt64LE(addressOf(this.out), 16);
    this.options.writeBigUInt64LE(addressOf(this.contextIn), 32);
    this.options.writeBigUInt64LE(addressOf(this.contextOut), 40);
  }

  static load(
    policy: ClassifierPolicy,
    steering: Partial<Steering> = {},
    shared: Partial<Record<SharedMap, number>> = {},
    flowTableSize = 4096,
  ): Runner {
    const object = loadProgramSet({
      object: OBJECT,
      tables: compileTables(policy),
      steering: { ...STEERING, ...steering },
      flowTableSize,
      shared,
      listensOnly: steering.heartbeats !== undefined,
    });
    return new Runner(object);
  }

  /** The same for frames that the kernel may refuse to run: it wants a whole IP header behind 0800. */
  runIfAllowed(frame: Buffer): Result | undefined {
    try {
      return this.run(frame);
    } catch (error) {
      if (isCallError(error, 'EINVAL')) return undefined;
      throw error;
    }
  }

  /** Through the program of interfaces that only servers are behind. */
  runListening(frame: Buffer): Result {
    return this.run(frame, 0, 1, this.object.programDescriptor(HEARTBEAT_PROGRAM));
  }

  run(frame: Buffer, mark = 0, repeat = 1, program = this.program): Result {
    frame.copy(this.data);
    this.contextIn.writeUInt32LE(mark, MARK_OFFSET);
    this.options.writeUInt32LE(frame.length, 24);
    this.options.writeUInt32LE(this.out.length, 28);
    this.options.writeUInt32LE(CONTEXT_SIZE, 48);
    this.options.writeUInt32LE(CONTEXT_SIZE, 52);
    this.options.writeInt32LE(repeat, RETVAL + 4);
    check('bpf_prog_test_run_opts', program, this.options);
    return {
      action: this.options.readInt32LE(RETVAL),
      mark: this.contextOut.readUInt32LE(MARK_OFFSET),
      data: this.out.subarray(0, this.options.readUInt32LE(28)),
    };
  }

  /** Through the XDP program, which has no mark and no context here. */
  runXdp(frame: Buffer): Omit<Result, 'mark'> {
    const options = Buffer.from(this.options);
    frame.copy(this.data);
    options.writeUInt32LE(frame.length, 24);
    options.writeUInt32LE(this.out.length, 28);
    for (const context of [32, 40]) options.writeBigUInt64LE(0n, context);
    for (const size of [48, 52]) options.writeUInt32LE(0, size);
    options.writeInt32LE(1, RETVAL + 4);
    check('bpf_prog_test_run_opts', this.object.programDescriptor(XDP_PROGRAM), options);
    return {
      action: options.readInt32LE(RETVAL),
      data: this.out.subarray(0, options.readUInt32LE(28)),
    };
  }

  /** Average nanoseconds of the last run's repetitions. */
  get duration(): number {
    return this.options.readUInt32LE(RETVAL + 8);
  }

  counters(): Record<(typeof outcomes)[number] | (typeof events)[number], Count> {
    const names = [...outcomes, ...events];
    const counts = readCounters(this.object.mapDescriptor('counters'), names.length);
    return Object.fromEntries(names.map((name, i) => [name, counts[i]!])) as ReturnType<
      Runner['counters']
    >;
  }

  /** All of them begin at zero again. */
  resetCounters(): void {
    const fd = this.object.mapDescriptor('counters');
    const zeros = Buffer.alloc(check('libbpf_num_possible_cpus') * structSize.counter);
    const key = Buffer.alloc(4);
    for (let i = 0; i < outcomes.length + events.length; i++) {
      key.writeUInt32LE(i);
      updateElement(fd, key, zeros);
    }
  }

  ruleCounters(rules: number): Count[] {
    return readCounters(this.object.mapDescriptor('rule_counters'), rules + 1);
  }

  close(): void {
    this.object.close();
  }
}
