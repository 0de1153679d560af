/** A connection that stays open across whatever the test does to the network. */
import { createInterface } from 'node:readline';
import { ADDRESS } from '../../control/lab/topology.js';
import type { Fixture } from './fixture.js';

export interface HeldConnection {
  /** One line to the echo server and back. @throws when the connection broke or is silent. */
  roundTrip(line: string): Promise<void>;
  end(): Promise<void>;
}

export async function holdConnection(
  fixture: Fixture,
  node: string,
  host: string = ADDRESS.internet.v4,
): Promise<HeldConnection> {
  const program = await fixture.spawnClient(node, 'hold', host);
  const lines = createInterface({ input: program.child.stdout! })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the held connection to ${host} ended`);
    return JSON.parse(value) as { connected?: boolean; echoed?: string; error?: string };
  };
  // It may have ended before it is written to; what follows then says so.
  program.child.stdin!.on('error', () => undefined);
  await next();
  return {
    async roundTrip(line) {
      program.child.stdin!.write(`${line}\n`);
      const answer = await next();
      if (answer.echoed !== line) throw new Error(`sent ${line}, got ${JSON.stringify(answer)}`);
    },
    async end() {
      program.child.stdin!.end();
      await program.exited;
    },
  };
}
