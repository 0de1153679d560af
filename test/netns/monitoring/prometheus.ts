/**
 * A real Prometheus for a test: on a node of a lab, where it scrapes what listens on that node's
 * loopback, or on this machine's loopback. It has a directory of its own and ends with the test.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { readContract } from '../../../control/contract.js';
import type { Lab } from '../../../control/lab/lab.js';
import { waitFor } from '../../../control/lab/wait.js';
import { missingPrograms, requireAll } from '../rivals/installed.js';
import { batchedCurl } from './batched-curl.js';
import {
  type Alert,
  alertsAnswer,
  instantAnswer,
  type Rule,
  rangeAnswer,
  rulesAnswer,
  type Sample,
  type Series,
  type Target,
  targetsAnswer,
} from './prometheus-api.js';

/** For `describe.skipIf`; both programs come from Debian's package `prometheus`. */
export const hasPrometheus = requireAll || missingPrograms(['prometheus', 'promtool']).length === 0;

/** A scrape job: `targets` as `host:port`, and any other field of Prometheus's `scrape_config`. */
export interface Job {
  targets: readonly string[];
  [field: string]: unknown;
}

export interface PrometheusOptions {
  /** Absent: this machine, not a lab. */
  lab?: Lab;
  /** Node of the lab; absent: beside the nodes. */
  node?: string;
  /** Exists, and is removed by the test; configuration and data are put below it. */
  directory: string;
  /** As Prometheus writes it; also how often rules are evaluated. */
  scrapeInterval: string;
  /** By name of the job. */
  jobs: Readonly<Record<string, Job>>;
  /** Paths of rule files. */
  ruleFiles?: readonly string[];
  /** Where its data already is, such as blocks that promtool made. */
  dataDirectory?: string;
}

export interface QueryRange {
  /** Seconds since 1970. */
  start: number;
  end: number;
  /** Seconds. */
  step: number;
}

export class Prometheus {
  private readonly fetchText: (url: string) => Promise<string>;

  private constructor(
    private readonly options: PrometheusOptions,
    /** Such as http://127.0.0.1:41234, as seen from where it runs. */
    readonly url: string,
    private readonly end: () => Promise<void>,
  ) {
    const { lab, node } = options;
    this.fetchText = lab ? batchedCurl(lab, node) : async (url) => (await fetch(url)).text();
  }

  /** @throws with its own words when it ends instead of being ready. */
  static async start(options: PrometheusOptions): Promise<Prometheus> {
    const home = join(options.directory, 'prometheus');
    mkdirSync(home, { recursive: true });
    const configFile = join(home, 'prometheus.yml');
    writeFileSync(configFile, configText(options));
    // Ends with this process, however that ends.
    const argv = ['setpriv', '--pdeathsig', 'KILL', 'prometheus', `--config.file=${configFile}`];
    argv.push(`--storage.tsdb.path=${options.dataDirectory ?? join(home, 'data')}`);
    argv.push('--web.listen-address=127.0.0.1:0', '--web.enable-lifecycle');
    // Blocks that a test has made of another time stay.
    argv.push('--storage.tsdb.retention.time=100y');
    const running = launch(options, argv);
    let said = '';
    let ended = false;
    running.child.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    running.exited.then(() => {
      ended = true;
    });
    const end = async () => {
      if (!ended) running.kill();
      await running.exited;
    };
    try {
      await waitFor('Prometheus to be ready', () => {
        if (ended) throw new Error(`Prometheus ended: ${said}`);
        return said.includes('Server is ready to receive web requests');
      });
    } catch (error) {
      await end();
      throw error;
    }
    const address = /"Listening on".*? address=(\S+)/.exec(said)![1]!;
    return new Prometheus(options, `http://${address}`, end);
  }

  stop(): Promise<void> {
    return this.end();
  }

  /** An instant query. @param at seconds since 1970; now when absent */
  async query(expression: string, at?: number): Promise<Sample[]> {
    const time = at === undefined ? {} : { time: String(at) };
    return this.ask('query', { query: expression, ...time }, instantAnswer);
  }

  /** The value of a query that has one. @throws when it has none or several. */
  async value(expression: string, at?: number): Promise<number> {
    const samples = await this.query(expression, at);
    if (samples.length === 1) return samples[0]!.value;
    throw new Error(`${expression} has ${samples.length} values: ${JSON.stringify(samples)}`);
  }

  async queryRange(expression: string, range: QueryRange): Promise<Series[]> {
    const { start, end, step } = range;
    const times = { start: String(start), end: String(end), step: String(step) };
    return this.ask('query_range', { query: expression, ...times }, rangeAnswer);
  }

  /** Pending and firing ones. */
  async alerts(): Promise<Alert[]> {
    return this.ask('alerts', {}, alertsAnswer);
  }

  /** Of all groups, with what went wrong at their last evaluation. */
  async rules(): Promise<Rule[]> {
    return this.ask('rules', {}, rulesAnswer);
  }

  async targets(): Promise<Target[]> {
    return this.ask('targets', {}, targetsAnswer);
  }

  /** Waits until each target has been scraped, with success, `times` times. */
  async scraped(times = 1): Promise<void> {
    const targets = Object.values(this.options.jobs).flatMap((job) => job.targets).length;
    await waitFor(`Prometheus to have scraped ${targets} targets`, async () => {
      const counts = await this.query(`sum_over_time(up[1h]) >= ${times}`);
      return counts.length === targets;
    });
  }

  private async ask<T>(
    endpoint: string,
    parameters: Readonly<Record<string, string>>,
    answer: z.ZodType<T>,
  ): Promise<T> {
    const url = `${this.url}/api/v1/${endpoint}?${new URLSearchParams(parameters)}`;
    const text = await this.fetchText(url);
    const read = readContract(text, answer);
    if ('value' in read) return read.value;
    throw new Error(`${endpoint} ${JSON.stringify(parameters)}: ${read.problem}: ${text}`);
  }
}

/** JSON is YAML. */
function configText({ scrapeInterval, jobs, ruleFiles = [] }: PrometheusOptions): string {
  const scrapes = Object.entries(jobs).map(([name, { targets, ...rest }]) => ({
    job_name: name,
    static_configs: [{ targets }],
    ...rest,
  }));
  const [interval, timeout] = [scrapeInterval, scrapeInterval];
  const global = {
    scrape_interval: interval,
    scrape_timeout: timeout,
    evaluation_interval: interval,
  };
  return JSON.stringify({ global, rule_files: ruleFiles, scrape_configs: scrapes });
}

function launch({ lab, node }: PrometheusOptions, argv: readonly string[]) {
  if (lab !== undefined) {
    const { child, exited, signal } = lab.spawn(node, argv, {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return { child: { stderr: child.stderr! }, exited, kill: () => signal('SIGKILL') };
  }
  const [file, ...args] = argv;
  const child = spawn(file!, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', reject);
  });
  return { child, exited, kill: () => child.kill('SIGKILL') };
}
