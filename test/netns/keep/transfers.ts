/** Transfers of all clients and families that go on while something happens to the hosts. */
import { createInterface } from 'node:readline';
import { ADDRESS } from '../../../control/lab/topology.js';
import type { Fixture } from '../fixture.js';
import { type HeldConnection, holdConnection } from '../hold.js';

const FLOWS = '2';
const BYTES = '4000000';

export interface Report {
  /** Since the last one. */
  silenceMs: number;
  downloads: number;
  wrong: unknown[];
}

export class Transfers {
  private constructor(
    private readonly idle: readonly HeldConnection[],
    private readonly busy: readonly Busy[],
  ) {}

  /** Idle connections, and downloads one behind the other: to each family, of a client beside the server and one of another subnet. */
  static async start(fixture: Fixture): Promise<Transfers> {
    const ends = ['client', 'client2'].flatMap((client) =>
      [ADDRESS.internet.v4, ADDRESS.internet.v6].map((host) => [client, host] as const),
    );
    const idle = await Promise.all(ends.map(([node, host]) => holdConnection(fixture, node, host)));
    return new Transfers(
      idle,
      await Promise.all(ends.map(([node, host]) => startBusy(fixture, node, host))),
    );
  }

  /** Returns when each of them has gone on. @throws when one broke */
  async report(line: string): Promise<Report> {
    await Promise.all(this.idle.map((one) => one.roundTrip(line)));
    const reports = await Promise.all(this.busy.map((one) => one.report()));
    return {
      silenceMs: Math.max(...reports.map(({ silenceMs }) => silenceMs)),
      downloads: reports.reduce((sum, { downloads }) => sum + downloads, 0),
      wrong: reports.flatMap(({ wrong }) => wrong),
    };
  }

  async end(): Promise<void> {
    await Promise.all([...this.idle, ...this.busy].map((one) => one.end()));
  }
}

interface Busy {
  report(): Promise<Report>;
  end(): Promise<void>;
}

async function startBusy(fixture: Fixture, node: string, host: string): Promise<Busy> {
  const program = await fixture.startPeer(node, 'steady', 'started', host, FLOWS, BYTES);
  const lines = createInterface({ input: program.child.stdout! })[Symbol.asyncIterator]();
  return {
    async report() {
      program.child.stdin!.write('\n');
      const { value, done } = await lines.next();
      if (done) throw new Error(`the transfers of ${node} from ${host} have ended`);
      return JSON.parse(value) as Report;
    },
    async end() {
      program.child.stdin!.end();
      await program.exited;
    },
  };
}
