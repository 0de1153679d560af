/** The probes of one host's change: measured, demanded, and told of. */
import type { Command, RunResult } from '../../command/command.js';
import type { Config } from '../../config/config.js';
import type { ObservedHost } from '../../plan/state.js';
import type { Policy } from '../../policy/rule.js';
import {
  demandedOf,
  demandProbes,
  measureProbes,
  type ProbeResult,
  type ProbeState,
  resultsOf,
} from './probe.js';
import { probesOf } from './probes.js';

export type { ProbeState };

/** What takes longer before a change is not demanded after it; a change does not wait for what is not there. */
const MEASURE_SECONDS = 1;

/** For programs (`--json`). */
export interface ProbeReport {
  host: string;
  probe: string;
  /** What was tried, as a line. */
  text: string;
  before: ProbeState;
  /** It worked before, so it has to work after the change. */
  demanded: boolean;
  /** Absent while it has not been tried again. */
  after?: ProbeState;
}

export interface ProbeTrial {
  /** Before the change; what it prints says what is demanded. It never fails. */
  measure: Command;
  /** After it; nothing where nothing worked before. */
  demand(measured: RunResult): Command | undefined;
  /** What does not work any more, in a few words. */
  failure(result: RunResult): string;
  /** What was demanded works. */
  passed(result: RunResult): void;
  /** Takes away what a try leaves where everything of its session is killed. */
  undo: Command[];
}

/**
 * Undefined where the file wants no probe of this host.
 * @param onMeasured is told where to ask for what is known
 */
export function trialOf(
  config: Config,
  policy: Policy,
  name: string,
  host: ObservedHost,
  onMeasured: (reports: () => ProbeReport[]) => void = () => undefined,
): ProbeTrial | undefined {
  const probes = probesOf(config, policy, name, host);
  const { probeSeconds } = config.confirm;
  const [measure] = measureProbes(probes, Math.min(probeSeconds, MEASURE_SECONDS)).commands;
  if (probes.length === 0 || measure === undefined) return undefined;
  let before: ProbeResult[] = [];
  let after: ProbeResult[] = [];
  const read = ({ stdout }: RunResult) => {
    after = resultsOf(demandedOf(before), stdout);
    return after;
  };
  const reports = () => before.map((one) => reportOf(name, one, after));
  return {
    measure,
    undo: probes.flatMap(({ undo = [] }) => undo),
    demand(measured) {
      before = resultsOf(probes, measured.stdout);
      onMeasured(reports);
      const demanded = demandedOf(before);
      return demanded.length === 0 ? undefined : demandProbes(demanded, probeSeconds);
    },
    failure: (result) => failureText(read(result)),
    passed: read,
  };
}

/** `the router no longer reaches its gateway 203.0.113.1 (ping)` */
function failureText(after: readonly ProbeResult[]): string {
  // What could be tried before and cannot be any more has not worked again.
  const failed = after.filter(({ state }) => state !== 'works').map(({ probe }) => probe.fails);
  return failed.join('; ') || 'the probes gave no answer';
}

function reportOf(
  host: string,
  { probe, state }: ProbeResult,
  after: readonly ProbeResult[],
): ProbeReport {
  const again = after.find((one) => one.probe === probe)?.state;
  return {
    host,
    probe: probe.name,
    text: again === undefined || again === 'works' ? probe.works : probe.fails,
    before: state,
    demanded: state === 'works',
    ...(again !== undefined && { after: again }),
  };
}
