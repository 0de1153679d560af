/** Connections that live while something happens to the servers that carry them. */
import { createInterface } from 'node:readline';
import type { LabProcess } from '../../../control/lab/lab.js';
import { type Fixture, peer } from '../fixture.js';
import type { HealthWorld } from './world.js';

export interface EndedFlow {
  source: string;
  /** Unix milliseconds. */
  at: number;
  error: string;
}

export class Flows {
  readonly ended: EndedFlow[] = [];
  private alive: string[] = [];

  private constructor(private readonly program: LabProcess) {}

  /** One from each source. @param intervalMs between a flow's bytes; 0: none. */
  static async start(
    fixture: Fixture,
    host: string,
    sources: readonly string[],
    intervalMs = 0,
  ): Promise<Flows> {
    const argv = [process.execPath, peer('flows'), `${intervalMs}`, host, sources.join(',')];
    const program = fixture.lab.spawn('client', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    const flows = new Flows(program);
    const lines = createInterface({ input: program.child.stdout! });
    await new Promise<void>((resolve, reject) => {
      lines.once('line', () => resolve());
      program.exited.then(() => reject(new Error('the flows could not be opened')));
    });
    lines.on('line', (line) => {
      const said = JSON.parse(line) as EndedFlow | { alive: string[] };
      if ('alive' in said) flows.alive = said.alive;
      else flows.ended.push(said);
    });
    return flows;
  }

  /** A byte from each. */
  send(): void {
    this.program.child.stdin!.write('send\n');
  }

  /** @returns the sources of those that lived to the end. */
  async stop(): Promise<string[]> {
    this.program.child.stdin!.end();
    await this.program.exited;
    return this.alive;
  }
}

/** Client's addresses by the server that carries their connections now. */
export async function carriers(world: HealthWorld): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { name } of world.servers) {
    const argv = ['ss', '-Htn', 'state', 'established', 'sport = :12345'];
    const text = await world.fixture.lab.check(name, argv);
    for (const line of text.split('\n').filter(Boolean))
      found.set(clientOf(line.trim().split(/\s+/).at(-1)!), name);
  }
  return found;
}

/** `[::ffff:192.168.1.100]:40000` → `192.168.1.100` */
const clientOf = (peerOf: string): string =>
  peerOf
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .replace('::ffff:', '');
