/** Whether this machine can run the classifier, and what it would need if it cannot. */
import { ClassifierError } from './error.js';
import { call } from './ffi.js';
import { permissionError } from './object.js';

const PROGRAM_TYPE_SCHED_CLS = 3;
const LIBBPF_MAJOR = 1;

/** The youngest helpers that the program calls, by number in enum bpf_func_id. */
const HELPERS = [
  { name: 'bpf_redirect_neigh', id: 152, kernel: '5.10' },
  { name: 'bpf_ktime_get_coarse_ns', id: 160, kernel: '5.11' },
  { name: 'bpf_check_mtu', id: 163, kernel: '5.12' },
  { name: 'bpf_for_each_map_elem', id: 164, kernel: '5.13' },
] as const;

const EPERM = 1;

/** @throws ClassifierError that names what is missing. */
export function requireFeatures(): void {
  const major = call('libbpf_major_version');
  if (major < LIBBPF_MAJOR) {
    throw new ClassifierError(`libbpf ${major} is too old, the ebpf classifier needs 1.0`, {
      code: 'libbpf-too-old',
      source: 'host',
      hint: 'write classifier: nftables',
    });
  }
  for (const { name, id, kernel } of HELPERS) {
    const result = call('libbpf_probe_bpf_helper', PROGRAM_TYPE_SCHED_CLS, id, 0n);
    if (result === -EPERM) throw permissionError();
    if (result > 0) continue;
    throw new ClassifierError(`the ebpf classifier needs kernel ≥ ${kernel}: no ${name} here`, {
      code: 'kernel-too-old',
      source: 'host',
      hint: 'write classifier: nftables',
    });
  }
}
