/** What can be compared in the lab alone, because it needs another set-up. */
import { SidetrackError } from '../error.js';

export interface LabVariant {
  description: string;
  /** It needs no set-up of its own, but that of this one. */
  sameAs?: 'steered';
  /** From the lab's usual configuration. */
  configuration(usual: string): string;
  /** Of the relay. */
  environment?: Readonly<Record<string, string>>;
}

const usual = (yaml: string): string => yaml;

const withLine = (after: string, line: string) => (yaml: string) =>
  yaml.replace(after, `${after}${line}`);

export const LAB_VARIANTS = {
  direct: {
    description: 'client → router → server: a port that a rule leaves alone',
    sameAs: 'steered',
    configuration: usual,
  },
  steered: {
    description: 'client → router → server1 (relay) → router → server: nftables, redirect, splice',
    configuration: usual,
  },
  tproxy: {
    description: 'steered, and captured by tproxy in place of redirect',
    configuration: withLine('    program: relay\n', '    capture: tproxy\n'),
  },
  ebpf: {
    description: 'steered by the eBPF classifier in place of nftables',
    configuration: withLine('router:\n', '  classifier: ebpf\n'),
  },
  'no-splice': {
    description: 'steered, and the relay copies in place of splicing',
    configuration: usual,
    environment: { SIDETRACK_RELAY_SPLICE: '0' },
  },
} as const satisfies Readonly<Record<string, LabVariant>>;

export type LabVariantName = keyof typeof LAB_VARIANTS;
export const LAB_VARIANT_NAMES = Object.keys(LAB_VARIANTS) as LabVariantName[];

/** Ports that the lab's rule `mail` leaves alone, in the order in which they are used. */
export const LAB_DIRECT_PORTS = [587, 465, 25] as const;

/** @throws SidetrackError where one is unknown, or named twice */
export function parseLabVariants(names: readonly string[]): LabVariantName[] {
  return names.map((name, i) => {
    const known = LAB_VARIANT_NAMES.find((one) => one === name);
    if (known !== undefined && names.indexOf(name) === i) return known;
    throw new SidetrackError(
      known === undefined ? `there is no variant "${name}"` : `the variant "${name}" stands twice`,
      {
        code: 'bench-variant',
        source: 'user',
        hint: `choose of ${LAB_VARIANT_NAMES.join(', ')}`,
      },
    );
  });
}
