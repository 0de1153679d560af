/** Hosts and wishes with what the fixtures of plan do not have. */
import type { HostState, ObservedHost } from '../../../control/plan/state.js';
import type { ClassifierSpec } from '../../../control/policy/classifier-spec.js';

/** Only what the kind looks at. */
export const SPEC = {
  interfaces: ['br-lan'],
  forwarding: 'mark',
  targets: [],
} as unknown as ClassifierSpec;

export function withClassifier(wish: HostState, digest = 'new'): HostState {
  return { ...wish, classifier: { spec: SPEC, digest } };
}

/** With the classifier that an earlier apply attached. */
export function attached(observed: ObservedHost, digest = 'old'): ObservedHost {
  const saved = observed.saved ?? { version: 1, sysctls: {}, objects: {} };
  return {
    ...observed,
    classifier: {
      interfaces: [{ name: 'br-lan', filter: 'attached' }],
      digest,
      outdated: false,
      flows: { v4: 0, v6: 0 },
    },
    saved: { ...saved, classifier: digest },
  };
}

/** With a table that holds flows. */
export function withFlows(observed: ObservedHost): ObservedHost {
  const set = { name: 'flows4', type: 'ipv4_addr', size: 9, dynamic: true, elements: [] };
  const raw = { family: 'inet', table: 'sidetrack', name: 'flows4', type: 'ipv4_addr', size: 9 };
  const entry = { set: { ...raw, chain: '', flags: ['timeout'] } };
  return { ...observed, listing: { sets: [set], chains: [], raw: [entry] } };
}
