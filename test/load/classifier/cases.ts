/** What a round measures: figures by the names that plans.ts uses. Each case is prepared once. */
import { acceptedBy, BEATING, type Beating, type Beats, startBeating } from './beats.js';
import { type BulkLab, bulkLab, measureBulk, startBulkLab } from './bulk.js';
import { floodLab, measureFlood, startFloodLab } from './flood.js';
import { measureLoad, writeLists } from './load.js';
import { measureLookup, startContest } from './lookup.js';
import { MILLION } from './policies.js';
import { measureFlows, startFlowBench } from './program.js';
import { CONTESTANTS, type Contestant, type PolicyName } from './router.js';
import { measureSwaps, type SwapCounts, startSwapLab } from './swap.js';

export type Figures = Readonly<Record<string, number>>;
/** One of the things that a round measures. */
export type Measurement = () => Figures | Promise<Figures>;

export interface Case {
  name: string;
  /** Counts, which must be right beside others' work, too; to repeat them until they are would be a lie. */
  isExact?: true;
  prepare: () => Measurement | Promise<Measurement>;
}

/** What must be gone in the end. */
export type Keep = (lab: { stop(): void }) => void;

function lookup(family: 4 | 6, count: number): Case {
  const name = `v${family} ${count}`;
  return {
    name: `lookup ${name}`,
    prepare: () => {
      const contest = startContest(family, count);
      return () => {
        const { ours, trie } = measureLookup(contest);
        return { [`${name} ours`]: ours, [`${name} trie`]: trie };
      };
    },
  };
}

const program: Case = {
  name: 'whole program',
  prepare: () => {
    const flows = startFlowBench();
    return () => ({ ...measureFlows(flows) });
  },
};

const load = (directory: string): Case => ({
  name: 'load',
  prepare: () => {
    const lists = writeLists(directory);
    return async () => {
      const { ours, nft, tables, oursPeak, nftPeak } = await measureLoad(lists);
      return {
        'load ours': ours,
        'load nft': nft,
        tables,
        'load ours peak': oursPeak,
        'load nft peak': nftPeak,
      };
    };
  },
});

function floods(contestant: Contestant, policy: PolicyName, size: string, keep: Keep): Case {
  return {
    name: `flood${size} ${contestant}`,
    prepare: async () => {
      const bench = await startFloodLab(contestant, policy);
      keep(bench.lab);
      return async () => ({
        [`SYN${size} ${contestant}`]: await measureFlood(bench, 'SYN'),
        [`ACK${size} ${contestant}`]: await measureFlood(bench, 'ACK'),
      });
    },
  };
}

async function bulkFigures(bench: BulkLab, contestant: string): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const direction of ['upload', 'download'] as const) {
    const { perBusySecond, perSecond } = await measureBulk(bench, direction);
    figures[`${direction} ${contestant}`] = perBusySecond;
    figures[`${direction} ${contestant} through`] = perSecond;
  }
  return figures;
}

function bulk(contestant: Contestant, keep: Keep): Case {
  return {
    name: `bulk ${contestant}`,
    prepare: async () => {
      const bench = await startBulkLab(contestant);
      keep(bench.lab);
      return () => bulkFigures(bench, contestant);
    },
  };
}

/** With heartbeats and without, side by side. */
const beating = (how: Beating, keep: Keep): Case[] =>
  (['beats', 'without'] as const satisfies Beats[]).flatMap((beats): Case[] => {
    const name = `${how} ${beats}`;
    const start = (prepare: Parameters<typeof startBeating>[2]) =>
      startBeating(how, beats, prepare);
    return [
      {
        name: `flood ${name}`,
        prepare: async () => {
          const bench = await floodLab(start);
          keep(bench.lab);
          return async () => ({
            [`SYN ${name}`]: await measureFlood(bench, 'SYN'),
            [`ACK ${name}`]: await measureFlood(bench, 'ACK'),
          });
        },
      },
      {
        name: `bulk ${name}`,
        prepare: async () => {
          const bench = await bulkLab(start, acceptedBy);
          keep(bench.lab);
          return () => bulkFigures(bench, name);
        },
      },
    ];
  });

const swapFigures = ({ lost, misjudged, miscounted }: SwapCounts, name: string): Figures => ({
  [`lost ${name}`]: lost,
  [`misjudged ${name}`]: misjudged,
  [`miscounted ${name}`]: miscounted,
});

function swaps(contestant: Contestant, keep: Keep): Case {
  return {
    name: `swap ${contestant}`,
    isExact: true,
    prepare: async () => {
      const bench = await startSwapLab(contestant);
      keep(bench.lab);
      return async () => {
        const counts = await measureSwaps(bench);
        const without = swapFigures(counts.none, `${contestant} without`);
        return {
          [`sent ${contestant}`]: counts.swaps.sent,
          ...swapFigures(counts.swaps, contestant),
          ...without,
        };
      };
    },
  };
}

/** In the order of a round: what is compared is measured side by side. */
export function makeCases(directory: string, keep: Keep): Case[] {
  const withoutXdp = CONTESTANTS.filter((contestant) => contestant !== 'xdp');
  const ebpf = CONTESTANTS.filter((contestant) => contestant !== 'nftables');
  return [
    ...[10_000, 100_000, MILLION].map((count) => lookup(4, count)),
    lookup(6, 100_000),
    program,
    load(directory),
    ...CONTESTANTS.map((contestant) => floods(contestant, 'ten rules', '', keep)),
    ...CONTESTANTS.map((contestant) => floods(contestant, 'ten rules, 1 M prefixes', ' 1 M', keep)),
    ...withoutXdp.map((contestant) => bulk(contestant, keep)),
    ...BEATING.flatMap((how) => beating(how, keep)),
    ...ebpf.map((contestant) => swaps(contestant, keep)),
  ];
}
