/** What relay and router have counted, as their own pages say it. */
import { z } from 'zod';
import { type MetricKey, metrics } from '../../../monitoring/metrics.js';
import type { Fixture } from '../../netns/fixture.js';

export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Prometheus's text format. @throws when a line is none of it. */
export function parseMetrics(text: string): Sample[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) throw new Error(`this is no sample: ${line}`);
    const pairs = [...labels.matchAll(LABEL)].map(
      ([, key = '', text = '']) => [key, text] as const,
    );
    return { name, labels: Object.fromEntries(pairs), value: Number(value) };
  });
}

/** The relay's page at one moment. */
export class Scrape {
  constructor(private readonly samples: readonly Sample[]) {}

  /** Over all labels that are not named. */
  sum(key: MetricKey, labels: Readonly<Record<string, string>> = {}): number {
    const { name } = metrics[key];
    const wanted = Object.entries(labels);
    return this.samples
      .filter(
        (one) => one.name === name && wanted.every(([key, value]) => one.labels[key] === value),
      )
      .reduce((total, { value }) => total + value, 0);
  }
}

export interface RouterCounters {
  steered: { packets: number; bytes: number };
  /** Packets that opened flows, by the rule that judged them. */
  rules: Readonly<Record<string, number>>;
  /** Packets of flows that could not be handed over. */
  refused: number;
}

const counter = z.object({ rule: z.string(), packets: z.number(), bytes: z.number().default(0) });
const status = z.object({
  hosts: z.array(z.object({ name: z.string(), counters: z.array(counter) })),
});

const REFUSED = 'on_failure direct';

export async function scrape(fixture: Fixture): Promise<Scrape> {
  const url = 'http://127.0.0.1:9150/metrics';
  return new Scrape(parseMetrics(await fixture.lab.check('server1', ['curl', '-sf', url])));
}

export async function routerCounters(fixture: Fixture): Promise<RouterCounters> {
  const { stdout } = await fixture.sidetrack('status', '--json');
  const { hosts } = status.parse(JSON.parse(stdout));
  const counters = hosts.find(({ name }) => name === 'router')?.counters ?? [];
  const of = (rule: string) =>
    counters.find((one) => one.rule === rule) ?? { rule, packets: 0, bytes: 0 };
  const { packets, bytes } = of('steered');
  const rules = counters.filter(({ rule }) => rule.startsWith('rule '));
  return {
    steered: { packets, bytes },
    rules: Object.fromEntries(rules.map((one) => [one.rule.slice('rule '.length), one.packets])),
    refused: of(REFUSED).packets,
  };
}

/** Elements of the router's sets that hold flows. */
export async function flowEntries({ lab }: Fixture): Promise<number> {
  const sets = ['flows4', 'closing4', 'flows6', 'closing6'];
  const counts = sets.map(async (set) => {
    const text = await lab.check('router', ['nft', 'list', 'set', 'inet', 'sidetrack', set]);
    return (text.match(/expires/g) ?? []).length;
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

/** Connections that the kernel of server1 translates. */
export async function translated({ lab }: Fixture): Promise<number> {
  const file = '/proc/sys/net/netfilter/nf_conntrack_count';
  return Number(await lab.check('server1', ['cat', file]));
}
