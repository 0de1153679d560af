/** Built files. This one is build/test/load/classifier/paths.js when it runs. */
import { fileURLToPath } from 'node:url';

const built = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const CLASSIFIER_OBJECT = built('bpf/classify.bpf.o');
export const BENCH_OBJECT = built('bpf/lookup.bpf.o');
export const FLOOD_OBJECT = built('bpf/flood.bpf.o');
