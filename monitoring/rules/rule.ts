/** Rules as data, before they are Prometheus's YAML. */
import type { AlertName } from '../runbooks.js';
import type { Minutes, Parameters } from './parameters.js';

/** critical: clients cannot work, look now; warning: look today; info: it explains other things. */
export type Severity = 'critical' | 'warning' | 'info';

export interface AlertRule {
  name: AlertName;
  severity: Severity;
  /** PromQL; what it returns fires. */
  expr: string;
  /** Minutes for which it must hold; absent: at once. */
  holds?: number;
  /** Minutes for which it goes on firing; for what comes and goes. */
  lasts?: number;
  /** The same text for all instances, so that notifications can be grouped by it. */
  summary: string;
  /** A template, with values and units. */
  description: string;
}

export interface RecordingRule {
  record: string;
  expr: string;
}

export interface Group {
  name: string;
  recordings: readonly RecordingRule[];
  alerts: readonly AlertRule[];
}

/** What a file of rules is made with. */
export interface Settings extends Parameters {
  minutes: Minutes;
}
