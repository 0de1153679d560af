/** What the router's desired state is made from. */
import type { Config } from '../config/config.js';
import type { HeartbeatSecrets } from '../heartbeat/message.js';
import type { ClassifierSpec } from '../policy/classifier-spec.js';
import type { Policy } from '../policy/rule.js';
import type { ObservedHost } from './state.js';

export interface RouterPlanInput {
  config: Config;
  policy: Policy;
  router: ObservedHost;
  /** MACs of the servers by name, resolved. */
  serverMacs: ReadonlyMap<string, string>;
  /** What loads eBPF there, where that reads no specifications. */
  bundles?: { path: string; of(spec: ClassifierSpec): string };
  /** What heartbeats are known by, by the server's name; secrets. */
  heartbeats?: ReadonlyMap<string, HeartbeatSecrets>;
}
