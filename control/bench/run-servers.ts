/** The servers of a benchmark: iperf3, and the echo of the prober, as long as we attend to them. */
import { Attended } from '../hosts/attended.js';
import { ask } from '../hosts/host.js';
import { portTaken, serverGone } from './explain.js';
import { listeningQuery } from './facts.js';
import { serverArgv } from './iperf3.js';
import { iperf3Failure } from './iperf3-failure.js';
import type { Way } from './plan.js';
import type { Point } from './points.js';
import { prober } from './run-client.js';
import { attendedScript, BEAT_MS, READY } from './scripts.js';

const LISTEN_MS = 10_000;
const LISTEN_POLL_MS = 50;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class BenchServers {
  #running: Attended | undefined;

  private constructor(
    private readonly point: Point,
    private readonly ports: readonly number[],
    private readonly programs: readonly (readonly string[])[],
  ) {}

  /** What the ways lead to. @throws SidetrackError where a port is taken, or nothing listens in the end */
  static async start(point: Point, ways: readonly Way[]): Promise<BenchServers> {
    const targets = ways.flatMap(({ targets: all }) => Object.values(all));
    const iperf3 = [...new Set(targets.flatMap(({ ports }) => ports))];
    const echoes = [...new Set(targets.flatMap(({ echo }) => echo ?? []))];
    const servers = new BenchServers(
      point,
      [...iperf3, ...echoes],
      [
        ...iperf3.map((port) => serverArgv(port)),
        ...echoes.map((port) => prober(point, { kind: 'echo', port })),
      ],
    );
    await servers.#start();
    return servers;
  }

  get alive(): boolean {
    return this.#running?.alive ?? false;
  }

  async #start(): Promise<void> {
    const { host } = this.point;
    const { taken } = await ask(host, { taken: listeningQuery });
    const busy = this.ports.find((port) => taken.has(port));
    if (busy !== undefined) throw portTaken(host.address, busy);
    const how = { ready: READY, beatMs: BEAT_MS };
    this.#running = await Attended.start(host.fresh(), attendedScript(this.programs), how);
    const deadline = Date.now() + LISTEN_MS;
    for (;;) {
      const { listening } = await ask(host, { listening: listeningQuery });
      const { said } = this.#running;
      if (iperf3Failure(said).code === 'port-taken') throw portTaken(host.address, this.ports[0]!);
      if (this.ports.every((port) => listening.has(port))) return;
      if (said !== '' || !this.#running.alive || Date.now() > deadline)
        throw serverGone(host.address, said);
      await sleep(LISTEN_POLL_MS);
    }
  }

  async restart(): Promise<void> {
    await this.end();
    await this.#start();
  }

  async end(): Promise<void> {
    await this.#running?.end();
    this.#running = undefined;
  }
}
