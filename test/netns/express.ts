/** A lab whose relay lets connections pass in the kernel as soon as they may. */
import { expect } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLI, Fixture, url, waitFor } from './fixture.js';

export const EXPRESS = 'relay:\n  threads: 1\n  express: on\n  express_after: 65536\n';

export class ExpressLab {
  private constructor(
    readonly fixture: Fixture,
    public relay: LabProcess,
  ) {}

  static async start(yaml = LAB_CONFIG, more = ''): Promise<ExpressLab> {
    const fixture = await Fixture.start();
    fixture.configure(`${yaml}${EXPRESS}${more}`);
    const relay = await fixture.startRelay();
    await fixture.succeed('apply');
    return new ExpressLab(fixture, relay);
  }

  stop(): Promise<void> {
    return this.fixture.stop();
  }

  metric(name: string): Promise<number> {
    return this.fixture.metric(`sidetrack_relay_${name}`);
  }

  /** A command on server1 that needs no configuration. @returns what it prints. */
  command(...args: string[]): Promise<string> {
    return this.fixture.lab.check('server1', [process.execPath, CLI, ...args]);
  }

  /** Directions that have changed to express. */
  changes(): Promise<number> {
    return this.metric('mode_changes_total{to="express"}');
  }

  moved(): Promise<number> {
    return this.metric('transferred_bytes_total{mode="express"}');
  }

  untilPassing(count: number): Promise<void> {
    return waitFor(
      `${count} to pass`,
      async () => (await this.metric('express_connections')) === count,
    );
  }

  /** What `work` does must have gone by express, that many directions of it at least, and nothing of it may be left. */
  async byExpress<T>(work: () => Promise<T>, directions = 2): Promise<T> {
    const before = await this.changes();
    const result = await work();
    const changed = (await this.changes()) - before;
    const given = `refused ${await this.metric('express_refused_total')}, abandoned ${await this.metric('express_abandoned_total')}`;
    expect(changed, given).toBeGreaterThanOrEqual(directions);
    expect(await this.metric('express_late_total')).toBe(0);
    await this.untilPassing(0);
    return result;
  }

  /** One that is never over by itself, and read slowly enough. */
  startDownload(): LabProcess {
    const argv = ['curl', '-gsS', '--limit-rate', '20M', '-o', '/dev/null'];
    return this.fixture.lab.spawn(
      'client',
      [...argv, url(ADDRESS.internet.v4, '/bytes/4000000000')],
      {
        stdio: 'ignore',
      },
    );
  }

  untilNoConnection(node: string, port: number): Promise<void> {
    return waitFor(`no connection to be left on ${node}`, async () => {
      const argv = ['ss', '-Htn', 'state', 'established', 'sport', '=', `:${port}`];
      return (await this.fixture.lab.check(node, argv)).trim() === '';
    });
  }
}
