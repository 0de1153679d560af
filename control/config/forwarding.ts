/** How the classifier `ebpf` hands packets over. */
export const FORWARDINGS = ['mark', 'redirect', 'xdp'] as const;
export type Forwarding = (typeof FORWARDINGS)[number];
