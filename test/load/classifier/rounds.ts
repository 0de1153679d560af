/**
 * Rounds of measurements on a machine that others may use: each is done once a round, again beside
 * too much of others' work, and one that fails takes nothing but its own figures along.
 */
import { foreignSeconds } from '../foreign.js';
import type { Case, Figures, Measurement } from './cases.js';

/** As a part of one core; a measurement is repeated beside more of others' work, this often in all. */
const TOLERATED = 0.03;
const ATTEMPTS = 3;

export interface Outcome {
  samples: Map<string, (number | undefined)[]>;
  /** Rounds that were begun. */
  rounds: number;
  /** Measurements thrown away because the machine was busy with something else. */
  repeated: number;
  /** Kept although it was. */
  disturbed: number;
  failures: { name: string; message: string }[];
}

export class Rounds {
  private readonly begun = Date.now();
  private readonly outcome: Outcome = {
    samples: new Map(),
    rounds: 0,
    repeated: 0,
    disturbed: 0,
    failures: [],
  };

  constructor(
    private readonly cases: readonly Case[],
    private readonly runs: number,
    private readonly minutes: number,
  ) {}

  async measure(): Promise<Outcome> {
    const measurements = await this.prepare();
    const prepared = Date.now();
    for (let round = 0; round < this.runs && !this.isOver(); round++) {
      this.outcome.rounds = round + 1;
      // A round has its share of the time; beyond it nothing is repeated.
      const share = (this.end - prepared) / this.runs;
      await this.measureRound(round, measurements, prepared + share * (round + 1));
      const { repeated } = this.outcome;
      console.error(`round ${round + 1} of ${this.runs}, ${repeated} measurements repeated`);
    }
    return this.outcome;
  }

  private get end(): number {
    return this.begun + this.minutes * 60_000;
  }

  private isOver(): boolean {
    return Date.now() >= this.end;
  }

  private async prepare(): Promise<Map<Case, Measurement>> {
    const measurements = new Map<Case, Measurement>();
    for (const one of this.cases) {
      if (this.isOver()) break;
      console.error(`preparing ${one.name}`);
      await this.try(one.name, async () => {
        measurements.set(one, await one.prepare());
      });
    }
    return measurements;
  }

  private async measureRound(
    round: number,
    measurements: ReadonlyMap<Case, Measurement>,
    deadline: number,
  ): Promise<void> {
    for (const [{ name, isExact }, measurement] of measurements) {
      if (this.isOver()) return;
      await this.try(name, async () => {
        const figures = await (isExact
          ? measurement()
          : this.measureQuietly(measurement, deadline));
        for (const [figure, value] of Object.entries(figures)) this.addFigure(figure, round, value);
      });
    }
  }

  private addFigure(figure: string, round: number, value: number): void {
    const values = this.outcome.samples.get(figure) ?? [];
    values[round] = value;
    this.outcome.samples.set(figure, values);
  }

  private async try(name: string, what: () => Promise<void>): Promise<void> {
    try {
      await what();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.outcome.failures.push({ name, message });
      console.error(`FAILED ${name}: ${message}`);
    }
  }

  /** The least disturbed of a few attempts. */
  private async measureQuietly(measurement: Measurement, deadline: number): Promise<Figures> {
    let best: { figures: Figures; foreign: number } | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [started, others] = [performance.now(), foreignSeconds()];
      const figures = await measurement();
      const foreign = (foreignSeconds() - others) / ((performance.now() - started) / 1000);
      if (!best || foreign < best.foreign) best = { figures, foreign };
      if (best.foreign <= TOLERATED) return best.figures;
      if (Date.now() > deadline) break;
      if (attempt + 1 < ATTEMPTS) this.outcome.repeated++;
    }
    this.outcome.disturbed++;
    return best!.figures;
  }
}
