/** For control: the shapes are named below, where the classifiers and the pages can reach them, too. */
export {
  FAMILY_STATES,
  type FamilyState,
  HEALTH_MODES,
  HEARTBEAT_REASONS,
  type HealthMode,
  type HeartbeatReason,
  IGNORED_HEARTBEATS,
  type IgnoredHeartbeat,
  reasonNumber,
  reasonOfNumber,
  type ServerHealth,
} from '../../bpf/server-health.js';
