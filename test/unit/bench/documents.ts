/** Documents as `sidetrack bench` makes them, without a machine. */
import {
  BENCH_VERSION,
  type BenchDocument,
  type Figures,
} from '../../../control/bench/document.js';
import { random } from '../../../control/bench/statistics.js';

export interface DocumentOptions {
  /** Of everything that more is better of. */
  factor?: number;
  seed?: number;
  runs?: number;
  seconds?: number;
}

export function benchDocument({
  factor = 1,
  seed = 1,
  runs = 6,
  seconds = 2,
}: DocumentOptions = {}): BenchDocument {
  const next = random(seed);
  const about = (value: number) => value * (1 + 0.02 * (next() - 0.5));
  const figuresOf = (test: string, variant: string): Figures => {
    const level = (variant === 'direct' ? 2e9 : 1e9) * factor;
    if (test === 'latency-4')
      return { latencyP50: about(300 / factor), latencyP99: about(900), failures: 0 };
    return {
      bitsPerSecond: about(level),
      receivedBytes: (level / 8) * seconds,
      sentBytes: (level / 8) * seconds,
      retransmits: 3,
      ...(variant === 'direct' ? {} : { relayPerGigabyte: about(0.2 / factor) }),
    };
  };
  const tests = ['download-4', 'latency-4'];
  const variants = ['direct', 'steered'];
  return {
    version: BENCH_VERSION,
    sidetrack: '0.1.0',
    at: '2026-01-02T03:04:05.000Z',
    interrupted: false,
    settings: { runs, seconds, order: 'abba', seed },
    machines: [
      { name: 'client', address: 'local', kernel: 'Linux 6.1', iperf3: '3.12', boot: 'a' },
      {
        name: 'server',
        address: 'ssh://root@vps',
        kernel: 'Linux 6.12',
        iperf3: '3.18',
        mtu: 1500,
      },
    ],
    prober: 'latency: small requests',
    variants: variants.map((name) => ({ name, description: `the ${name} way` })),
    tests: [
      {
        ...{ name: 'download-4', kind: 'bulk', family: 4, direction: 'download', streams: 1 },
        ...{ probed: false, seconds },
      },
      { name: 'latency-4', kind: 'latency', family: 4, probed: true, seconds: 1 },
    ],
    runs: Array.from({ length: runs + 1 }, (_, round) =>
      tests.flatMap((test) =>
        variants.map((variant) => ({
          ...{ round, test, variant, at: '2026-01-02T03:04:05.000Z' },
          figures: figuresOf(test, variant),
          busy: { client: 0.5, server: 0.25 },
        })),
      ),
    ).flat(),
    notes: ['a note'],
  };
}
