/** Starts a program on a node, keeps what it says, and waits until it listens. */
import type { Lab, LabProcess } from '../../../control/lab/lab.js';
import { waitFor } from '../../../control/lab/wait.js';

export class Running {
  private said = '';
  private ended = false;

  constructor(private readonly process: LabProcess) {
    for (const stream of [process.child.stdout, process.child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.said += chunk;
      });
    process.exited.then(() => {
      this.ended = true;
    });
  }

  /** @throws with the program's own words when it ends instead of listening. */
  static async start(
    lab: Lab,
    node: string,
    argv: readonly string[],
    port: number,
  ): Promise<Running> {
    const running = new Running(lab.spawn(node, argv, { stdio: ['ignore', 'pipe', 'pipe'] }));
    try {
      await waitFor(`${argv[0]} to listen on port ${port} of ${node}`, async () => {
        if (running.ended) throw new Error(`${argv.join(' ')} ended: ${running.said}`);
        const { stdout } = await lab.run(node, ['ss', '-Hltn', `sport = :${port}`]);
        return stdout.trim() !== '';
      });
    } catch (error) {
      // Or it would have the port when it is tried again.
      await running.stop();
      throw error;
    }
    return running;
  }

  /** Everything that it has printed so far. */
  get log(): string {
    return this.said;
  }

  async stop(): Promise<void> {
    if (!this.ended) this.process.signal('SIGKILL');
    await this.process.exited;
  }
}
