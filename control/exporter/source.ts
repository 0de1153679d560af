/** The configuration that hosts are compared with: read again when its file or one behind a set has changed. */
import { stat } from 'node:fs/promises';
import type { ListReading } from '../../monitoring/state.js';
import type { Config } from '../config/config.js';
import { loadConfig } from '../config/load.js';
import { SidetrackError } from '../error.js';
import { listStates } from '../lists/states.js';
import type { NftSet } from '../nft/json.js';
import { policySets } from '../nft/policy-sets.js';
import { compilePolicy } from '../policy/compile.js';
import { PrefixSet } from '../policy/prefix-set.js';
import type { Policy } from '../policy/rule.js';
import type { SetFile } from './router-state.js';

export interface Loaded {
  config: Config;
  policy: Policy;
  /** What the policy's sets should hold. */
  sets: readonly NftSet[];
  /** Intervals of each set of the configuration. */
  entries: ReadonlyMap<string, SetFile['entries']>;
}

export class Source {
  /** Of all files, as they were when they were read; of those that could not be read, too. */
  #seen: string;

  private constructor(
    private readonly path: string,
    private readonly say: (line: string) => void,
    private loaded: Loaded,
    seen: string,
  ) {
    this.#seen = seen;
  }

  /** @throws ConfigError */
  static async open(path: string, say: (line: string) => void): Promise<Source> {
    const loaded = await load(path);
    return new Source(path, say, loaded, await stamps(loaded.config));
  }

  get current(): Loaded {
    return this.loaded;
  }

  /** One that is wrong changes nothing, and is told of once. @returns whether it is another now */
  async refresh(): Promise<boolean> {
    const seen = await stamps(this.loaded.config);
    if (seen === this.#seen) return false;
    this.#seen = seen;
    try {
      const before = files(this.loaded.config);
      this.loaded = await load(this.path);
      // One that has changed while they were read is seen to be another the next time.
      if (files(this.loaded.config).join('\n') !== before.join('\n'))
        this.#seen = await stamps(this.loaded.config);
      this.say(`${this.path} has changed and was read again`);
      return true;
    } catch (error) {
      if (!(error instanceof SidetrackError)) throw error;
      this.say(`going on with what ${this.path} said before: ${error.message}`);
      return false;
    }
  }

  /** The lists that are fetched, by what is noted beside their copies. */
  async lists(): Promise<ListReading[]> {
    const states = await listStates(this.loaded.config);
    return states.map(({ set, entries, refreshSeconds, checked, failures, error }) => ({
      ...{ set, refreshSeconds, failures },
      ...(entries && { entries: entries.v4 + entries.v6 }),
      ...(checked !== undefined && { checked }),
      ...(error && { reason: error.reason }),
    }));
  }

  /** The files behind sets, with their times as of now. */
  async files(): Promise<SetFile[]> {
    const { config, entries } = this.loaded;
    const found = Object.entries(config.sets).map(async ([set, { file }]) => {
      const time = (await stat(file).catch(() => undefined))?.mtimeMs;
      const counts = entries.get(set) ?? { 4: 0, 6: 0 };
      return { set, entries: counts, ...(time !== undefined && { fileTime: time / 1000 }) };
    });
    return Promise.all(found);
  }
}

async function load(path: string): Promise<Loaded> {
  const config = await loadConfig(path);
  const policy = compilePolicy(config);
  const entries = Object.entries(config.sets).map(([name, set]) => {
    const all = PrefixSet.of(set.entries);
    const count = { 4: all.v4Intervals().starts.length, 6: all.v6Intervals().starts.length };
    return [name, count] as const;
  });
  return { config, policy, sets: policySets(policy), entries: new Map(entries) };
}

const files = ({ file, sets }: Config): string[] => [
  file,
  ...Object.values(sets).map((set) => set.file),
];

async function stamps(config: Config): Promise<string> {
  const found = files(config).map(async (path) => {
    const { mtimeMs, size, ino } = (await stat(path).catch(() => undefined)) ?? {};
    return `${mtimeMs} ${size} ${ino}`;
  });
  return (await Promise.all(found)).join('\n');
}
