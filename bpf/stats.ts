/** What the classifier has counted. */
import { events, outcomes, RULE_NAME_LENGTH } from './abi.js';
import { ClassifierError } from './error.js';
import { type Count, mapInfo, readCounters, readName } from './map.js';
import { PinDirectory } from './pin.js';
import { type ClassifierCounters, REPORT_VERSION } from './report.js';
import type { ServerHealth } from './server-health.js';
import { serverStates } from './state.js';

export interface ClassifierStats extends ClassifierCounters {
  /** Every packet since the first attach, under exactly one of these. */
  outcomes: Record<(typeof outcomes)[number], Count>;
  /** How often what happened besides. */
  events: Record<(typeof events)[number], number>;
  /** First packets by rule, guards first, `default` last; since this program set. */
  rules: ClassifierCounters['rules'];
  /** What is steered to, and what was heard of it. */
  servers: ServerHealth[];
}

function notAttached(): ClassifierError {
  return new ClassifierError('the ebpf classifier is not attached', {
    code: 'not-attached',
    source: 'user',
    hint: 'run: sidetrack bpf attach',
  });
}

/** Outcomes have other places in the list of another version, and it may be shorter. */
function otherVersion(): ClassifierError {
  return new ClassifierError('what the ebpf classifier counts is of another version of sidetrack', {
    code: 'counters-outdated',
    source: 'user',
    hint: 'bring it up to date: sidetrack apply (or bpf attach); live flows stay',
  });
}

const COUNTERS = outcomes.length + events.length;

/** @throws ClassifierError `not-attached`, `counters-outdated` */
export function readStats(directory: string): ClassifierStats {
  const pins = new PinDirectory(directory);
  if (!pins.exists) throw notAttached();
  const counts = pins.use('counters', (fd) => {
    if (mapInfo(fd).maxEntries !== COUNTERS) throw otherVersion();
    return readCounters(fd, COUNTERS);
  });
  const rules = pins.use('rule_counters', (fd) => readCounters(fd, mapInfo(fd).maxEntries));
  const names = pins.use('rule_names', (fd) =>
    Array.from({ length: mapInfo(fd).maxEntries }, (_, i) => readName(fd, i, RULE_NAME_LENGTH)),
  );
  if (counts === undefined || rules === undefined || names === undefined) {
    throw notAttached();
  }
  const outcomeEntries = outcomes.map((name, i) => [name, counts[i]!]);
  const eventEntries = events.map((name, i) => [name, counts[outcomes.length + i]!.packets]);
  return {
    version: REPORT_VERSION,
    outcomes: Object.fromEntries(outcomeEntries) as ClassifierStats['outcomes'],
    events: Object.fromEntries(eventEntries) as ClassifierStats['events'],
    rules: rules.map((count, i) => ({ name: names[i]!, ...count })),
    servers: serverStates(pins),
  };
}
