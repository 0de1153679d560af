/**
 * Reads all hosts of a configuration whenever somebody asks, by one connection and one round trip each. Those who
 * ask at the same time, or within a second, share one reading.
 */
import type {
  ExporterReading,
  HostReading,
  KeepReading,
} from '../../monitoring/exporter-reading.js';
import type { ListReading, ServerState } from '../../monitoring/state.js';
import { loaderNeed } from '../apply/loader.js';
import { ROUTER } from '../apply/macs.js';
import type { Config } from '../config/config.js';
import { printable } from '../config/diagnostic.js';
import { addressOf, type HostLocation } from '../hosts/connect.js';
import type { KeepState } from '../keep/state.js';
import { Apart } from './apart.js';
import { Comparison } from './comparison.js';
import { Counters } from './counters.js';
import { countsOf, countsOfClassifier, type FlowCounts } from './flows.js';
import { healthOf } from './health.js';
import { KeptHost } from './kept-host.js';
import { Pace } from './pace.js';
import { type Asked, type HostAnswers, hostQuestions } from './questions.js';
import { Sums } from './resets.js';
import { routerState, type SetFile, setStates } from './router-state.js';
import { ServerWatch } from './server-watch.js';
import { Shared } from './shared.js';
import type { Source } from './source.js';
import { watchedTargets } from './watched-targets.js';

export interface ExporterOptions {
  /** For the reading of a host, in milliseconds. */
  timeoutMs: number;
  /** Between comparisons with the configuration, in milliseconds; longer where one is dear. */
  compareMs: number;
  /** Tells people, once of each thing. */
  say(line: string): void;
}

/** Younger than that a reading is not repeated. */
const FRESH_MS = 1000;
/** A host that was not there at the last comparison is compared soon, but not at once again and again. */
const AGAIN_MS = 10_000;

export class Exporter {
  readonly #source: Source;
  readonly #options: ExporterOptions;
  readonly #readings = new Shared(() => this.#read(), FRESH_MS);
  readonly #sums = new Sums();
  readonly #servers = new ServerWatch();
  readonly #flowPace = new Pace(0);
  readonly #comparePace: Pace;
  readonly #apart: Apart;
  #hosts: KeptHost[] = [];
  #comparison = new Comparison();
  #flows: FlowCounts | undefined;

  constructor(source: Source, options: ExporterOptions) {
    this.#source = source;
    this.#options = { ...options, say: (line) => options.say(printable(line)) };
    this.#comparePace = new Pace(options.compareMs);
    this.#apart = new Apart(options.compareMs);
    this.#open(source.current.config);
  }

  /** Never fails for what is the matter with a host. */
  read(): Promise<ExporterReading> {
    return this.#readings.get();
  }

  /** There is something to tell. */
  get hasRead(): boolean {
    return this.#hosts.some(({ health }) => health.reads > 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.close()));
  }

  /** Those that are where they were are kept. */
  #open(config: Config): void {
    const { timeoutMs, say } = this.#options;
    const wanted: [name: string, location: HostLocation][] = [
      ...config.servers.map(({ name, host }): [string, HostLocation] => [name, host]),
      [ROUTER, config.router.host],
    ];
    const before = this.#hosts;
    this.#hosts = wanted.map(([name, location]) => {
      const loader = loaderNeed(config, name);
      const kept = before.find(
        (one) =>
          one.name === name && one.address === addressOf(location) && one.asksForLoader === loader,
      );
      return kept ?? new KeptHost({ name, location, loader, timeoutMs, say });
    });
    for (const host of before) if (!this.#hosts.includes(host)) host.close().catch(() => undefined);
  }

  async #read(): Promise<ExporterReading> {
    if (await this.#source.refresh()) this.#reopen();
    const { config } = this.#source.current;
    const [compares, countsFlows] = [this.#comparePace.isDue, this.#flowPace.isDue];
    const answered = await Promise.all(
      this.#hosts.map(async (host) => {
        const isApart = this.#apart.has(host.name);
        const asked = this.#asked(host.name, countsFlows && !isApart, compares && !isApart);
        const questions = hostQuestions(config, asked);
        return [host.name, await host.read(questions)] as const;
      }),
    );
    const answers = new Map(answered);
    if (compares) this.#compare(answers);
    else if (this.#comparison.missed(this.#hosts).some((name) => answers.get(name)))
      this.#comparePace.hurry(AGAIN_MS);
    if (countsFlows) this.#countFlows(answers.get(ROUTER));
    this.#watchApart(config, answers);
    return this.#reading(answers, await this.#source.files(), await this.#source.lists());
  }

  /** What did not come in time is asked for beside the readings from now on: the counters are worth more. */
  #watchApart(config: Config, answers: ReadonlyMap<string, HostAnswers | undefined>): void {
    for (const host of this.#hosts) {
      const { name } = host;
      const answer = answers.get(name);
      if (answer?.isWhole === false && !this.#apart.has(name)) {
        this.#apart.add(name);
        this.#options.say(
          `to compare ${name} with the configuration takes longer than exporter.timeout_seconds (${this.#options.timeoutMs / 1000} s); it is done beside the readings`,
        );
      }
      const questions = hostQuestions(config, this.#asked(name, true, true));
      if (answer)
        this.#apart.ask(host, questions, (found) => this.#learn(new Map([[name, found]])));
    }
  }

  #learn(answers: ReadonlyMap<string, HostAnswers>): void {
    this.#comparison.next(this.#source.current, this.#hosts, answers, this.#options.say);
    this.#countFlows(answers.get(ROUTER));
  }

  #asked(name: string, flows: boolean, drift: boolean): Asked {
    const { config, sets } = this.#source.current;
    const isRouter = name === ROUTER;
    const judges = isRouter && config.router.classifier === 'nftables';
    const observed = isRouter ? this.#comparison.observed(name) : undefined;
    const targets = observed && watchedTargets(config, observed);
    return {
      ...{ isRouter, flows, drift, wantedSets: judges ? sets : undefined },
      ...(targets && { numbers: targets.map(({ number }) => number) }),
    };
  }

  /** The next reading is of everything, however dear it is. */
  hurry(): void {
    this.#apart.hurry();
    this.#comparePace.hurry();
    this.#flowPace.hurry();
  }

  #reopen(): void {
    this.#open(this.#source.current.config);
    this.#comparison = new Comparison();
    this.#flows = undefined;
    this.hurry();
  }

  #compare(answers: ReadonlyMap<string, HostAnswers | undefined>): void {
    const began = performance.now();
    this.#comparison.next(this.#source.current, this.#hosts, answers, this.#options.say);
    const costs = [...answers.values()].map((one) => one?.costs.drift ?? 0);
    this.#comparePace.took(Math.max(0, ...costs, performance.now() - began));
  }

  #countFlows(router: HostAnswers | undefined): void {
    if (router?.router === undefined) return;
    const { elements, classifier = router.observed?.classifier } = router.router;
    const told = countsOf(router.rules?.elements ?? new Map());
    if (classifier) this.#flows = countsOfClassifier(classifier);
    else if (told !== undefined || elements !== undefined)
      this.#flows = told ?? countsOf(elements ?? new Map());
    this.#flowPace.took(router.costs.flows ?? 0);
  }

  #reading(
    answers: ReadonlyMap<string, HostAnswers | undefined>,
    files: readonly SetFile[],
    lists: readonly ListReading[],
  ): ExporterReading {
    const { config, policy, sets } = this.#source.current;
    const observed = this.#comparison.observed(ROUTER);
    const router = answers.get(ROUTER);
    const at = Date.now() / 1000;
    const targets = watchedTargets(config, observed);
    const source = { config, policy, sets, files, observed, flows: this.#flows, targets, at };
    const hosts = this.#hosts.map((host) => this.#hostReading(host, answers.get(host.name)?.keep));
    const state = router && routerState(source, router, this.#sums, this.#servers);
    return {
      at,
      hosts,
      ...(state && { router: state }),
      servers: config.servers.flatMap(({ name }) => this.#captured(name, answers.get(name))),
      sets: setStates(source),
      lists,
      health: healthOf({
        ...{ hosts, router: state, warnings: this.#comparison.warnings, lists, at },
        heartbeatPort: config.health.port,
      }),
    };
  }

  #captured(name: string, answers: HostAnswers | undefined): ServerState[] {
    const counters = new Counters(this.#sums, answers?.rules?.rules ?? []);
    const count = counters.sum(`captured ${name}`, ['redirected', 'diverted']);
    return count === undefined ? [] : [{ name, captured: count.packets }];
  }

  #hostReading({ name, address, health }: KeptHost, keep?: KeepState): HostReading {
    const { up, error, errors, readSeconds, lastRead } = health;
    const judged = this.#comparison.judgement(name);
    return {
      name,
      address,
      up,
      ...(error && { error: printable(error.message), reason: error.code }),
      errors,
      ...(judged?.state && { state: judged.state }),
      ...(judged && { compared: judged.at }),
      differences: judged?.differences ?? [],
      problems: judged?.problems ?? [],
      ...(readSeconds !== undefined && { readSeconds }),
      ...(lastRead !== undefined && { lastRead }),
      ...(keep && { keep: keepReading(keep) }),
    };
  }
}

/** The host may be hostile. */
function keepReading({ runs, repairs, alarms, open }: KeepState): KeepReading {
  const about = ({ kind, name, why }: KeepState['open'][number]) =>
    printable(`${kind} ${name} (${why})`);
  return { runs, repairs, alarms: alarms.map(about), open: open.map(about) };
}
