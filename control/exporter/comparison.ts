/** Whether hosts are as configured: what `sidetrack status` says, of what was read of them last. */
import type { HostReading } from '../../monitoring/exporter-reading.js';
import { surveyObserved } from '../apply/deployment.js';
import { freshKeys } from '../apply/heartbeat-keys.js';
import { judgement } from '../apply/status.js';
import type { Problem } from '../config/diagnostic.js';
import type { Host } from '../hosts/host.js';
import { version } from '../hosts/sidetrack.js';
import type { ObservedHost } from '../plan/state.js';
import type { KeptHost } from './kept-host.js';
import type { HostAnswers } from './questions.js';
import type { Loaded } from './source.js';

export interface Compared {
  /** Unix time. */
  at: number;
  /** Absent where that depends on a host that was never seen. */
  state?: NonNullable<HostReading['state']>;
  differences: string[];
  problems: string[];
}

/** Of the host it is about. */
export interface HostWarning extends Problem {
  host: string;
}

export class Comparison {
  readonly #observed = new Map<string, ObservedHost>();
  readonly #missed = new Set<string>();
  readonly #compared = new Map<string, Compared>();
  warnings: readonly HostWarning[] = [];

  /** How the host was when it answered last. */
  observed(name: string): ObservedHost | undefined {
    return this.#observed.get(name);
  }

  judgement(name: string): Compared | undefined {
    return this.#compared.get(name);
  }

  /** Those that did not answer when they were to be compared. */
  missed(kept: readonly KeptHost[]): string[] {
    return kept.map(({ name }) => name).filter((name) => this.#missed.has(name));
  }

  /**
   * One host's plan needs the others', so of those that do not answer now what they said last is taken.
   * @param say of what no plan should run into
   */
  next(
    { config, policy }: Loaded,
    kept: readonly KeptHost[],
    answers: ReadonlyMap<string, HostAnswers | undefined>,
    say: (line: string) => void,
  ): void {
    const seen: [string, Host][] = [];
    // In the order of the configuration: the router is the last.
    const all = new Map<string, ObservedHost>();
    for (const { name, host } of kept) {
      if (answers.get(name)?.observed) this.#missed.delete(name);
      // One that answers and is not compared now is compared apart.
      else if (answers.has(name) && answers.get(name) === undefined) this.#missed.add(name);
      const observed = answers.get(name)?.observed ?? this.#observed.get(name);
      if (observed === undefined || host === undefined) continue;
      this.#observed.set(name, observed);
      all.set(name, observed);
      seen.push([name, host]);
    }
    const isWhole = all.size === kept.length;
    try {
      const deployment = {
        ...{ config, policy, hosts: new Map(seen), offer: { version: version() } },
        // What a server lacks is told as missing, whatever would be written there.
        freshKeys: freshKeys(config),
      };
      const surveys = surveyObserved(deployment, all);
      for (const survey of surveys) {
        if (answers.get(survey.name)?.observed === undefined) continue;
        const { state, differences, problems } = judgement(survey);
        this.#compared.set(survey.name, {
          at: Date.now() / 1000,
          // A MAC may be unknown for no other reason than that the other host was not seen.
          ...((isWhole || state !== 'unfit') && { state }),
          differences,
          problems: isWhole ? problems.map(({ message }) => message) : [],
        });
      }
      this.warnings = surveys.flatMap(({ name, warnings }) =>
        warnings.map(({ message, hint }) => ({
          host: name,
          message,
          ...(hint !== undefined && { hint }),
        })),
      );
    } catch (error) {
      say(`cannot compare the hosts with the configuration: ${error}`);
    }
  }
}
