/** Timing a program of the bench object with BPF_PROG_TEST_RUN. */
import { addressOf, check } from '../../../bpf/ffi.js';
import type { BpfObject } from '../../../bpf/object.js';

/** Where `struct bpf_test_run_opts` and `struct __sk_buff` keep what is used here. */
const OPTIONS = {
  size: 88,
  dataIn: 8,
  contextIn: 32,
  dataSize: 24,
  contextSize: 48,
  retval: 56,
  repeat: 60,
  duration: 64,
};
const CONTEXT = { size: 192, ingressIfindex: 36, ifindex: 40 };

export interface TestRun {
  retval: number;
  /** Of one repetition. */
  nanoseconds: number;
}

/** Runs `program` on `frame`, as if it had come in by the interface, `repeat` times. */
export function testRun(
  object: BpfObject,
  program: string,
  frame: Buffer,
  repeat: number,
  ifindex?: number,
): TestRun {
  const options = Buffer.alloc(OPTIONS.size);
  options.writeBigUInt64LE(BigInt(OPTIONS.size), 0);
  options.writeBigUInt64LE(addressOf(frame), OPTIONS.dataIn);
  options.writeUInt32LE(frame.length, OPTIONS.dataSize);
  options.writeInt32LE(repeat, OPTIONS.repeat);
  const context = Buffer.alloc(CONTEXT.size);
  if (ifindex !== undefined) {
    context.writeUInt32LE(ifindex, CONTEXT.ingressIfindex);
    context.writeUInt32LE(ifindex, CONTEXT.ifindex);
    options.writeBigUInt64LE(addressOf(context), OPTIONS.contextIn);
    options.writeUInt32LE(context.length, OPTIONS.contextSize);
  }
  check('bpf_prog_test_run_opts', object.programDescriptor(program), options);
  return {
    retval: options.readInt32LE(OPTIONS.retval),
    nanoseconds: options.readUInt32LE(OPTIONS.duration),
  };
}
