/** The exporter's pages: nothing that is asked of them does more than read. */
import type { Registry } from 'prom-client';
import { stateOfReading } from '../../../monitoring/exporter-reading.js';
import { MonitoringError, startMonitoring } from '../../../monitoring/server.js';
import { SidetrackError } from '../../error.js';
import type { Exporter } from '../../exporter/exporter.js';
import type { Source } from '../../exporter/source.js';
import { say } from '../output.js';
import { ending } from './ending.js';

/** Resolves when a signal has ended it. */
export async function servePages(
  source: Source,
  exporter: Exporter,
  registry: Registry,
): Promise<void> {
  const { address, port = 0, hosts } = source.current.config.exporter;
  const state = async () => stateOfReading(await exporter.read(), false);
  try {
    const end = ending(() => exporter.hurry());
    const { url, close } = await startMonitoring({ address, port, hosts, registry, state });
    say(`metrics of ${names(source)} on ${url}/metrics`);
    // So that what cannot be reached is told now, and not at the first scrape.
    await exporter.read();
    await end.ended();
    await close();
  } catch (error) {
    if (!(error instanceof MonitoringError)) throw error;
    const { message, hint, code } = error;
    throw new SidetrackError(message, { code, source: 'host', hint, cause: error });
  }
}

const names = ({ current: { config } }: Source): string =>
  ['router', ...config.servers.map(({ name }) => name)].join(', ');
