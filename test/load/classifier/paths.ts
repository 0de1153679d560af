/** Built files. This one is build/test/load/classifier/paths.js when it runs. */
import { fileURLToPath } from 'node:url';

const built = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const CLASSIFIER_OBJECT = built('bpf/classify.bpf.o');
export const BENCH_OBJECT = built('bpf/lookup.bpf.o');
export const FLOOD_OBJECT = built('bpf/flood.bpf.o');

/** A BPF file system of the lab's own, where its programs find each other's. */
export const PINS = '/run/bpf';
export const CLASSIFIER_PINS = `${PINS}/sidetrack`;
/** Of flood.bpf.c: the sinks' counters, which the generator reads. */
export const ARRIVED_PIN = `${PINS}/arrived`;
export const SINKS = ['sink_server', 'sink_internet'] as const;

/** Argument vector of a program of ours that runs inside a lab. */
export const peer = (name: string, ...args: (string | number)[]): string[] => [
  process.execPath,
  built(`test/load/classifier/${name}.js`),
  ...args.map(String),
];
