/** The exporter's pages: nothing that is asked of them does more than read. */
import type { Registry } from 'prom-client';
import { stateOfReading } from '../../../monitoring/exporter-reading.js';
import {
  type MonitoringAccess,
  MonitoringError,
  type MonitoringServer,
  startMonitoring,
} from '../../../monitoring/server.js';
import type { Config } from '../../config/config.js';
import { printable } from '../../config/diagnostic.js';
import { SidetrackError } from '../../error.js';
import type { Exporter } from '../../exporter/exporter.js';
import type { Source } from '../../exporter/source.js';
import { printWarnings, reportError, say } from '../output.js';
import { readPageAccess } from '../relay/page-access.js';
import { ending } from './ending.js';

const SECTION = ['exporter'] as const;

/** Resolves when a signal has ended it. */
export async function servePages(
  source: Source,
  exporter: Exporter,
  registry: Registry,
): Promise<void> {
  const { config } = source.current;
  const { address, port, socket } = config.exporter;
  const access = await accessOf(config);
  const state = async () => stateOfReading(await exporter.read(), false);
  try {
    const server = await startMonitoring({
      address,
      ...(port !== undefined && { port }),
      ...(socket !== undefined && { socket }),
      ...access,
      section: SECTION.join('.'),
      registry,
      state,
    });
    const { url, close } = server;
    const end = ending(() => {
      exporter.hurry();
      void bringUpToDate(source, exporter, server);
    });
    say(`metrics of ${names(source)} on ${url}${url.startsWith('/') ? '' : '/metrics'}`);
    // So that what cannot be reached is told now, and not at the first scrape.
    await exporter.read();
    await end.ended();
    await close();
  } catch (error) {
    if (!(error instanceof MonitoringError)) throw error;
    const { message, hint, code, key } = error;
    const { file, line, column } = config.positionOf([...SECTION, key]);
    throw new SidetrackError(`${printable(file)}:${line}:${column}: ${message}`, {
      code,
      source: 'host',
      hint,
      cause: error,
    });
  }
}

/** @throws ConfigError with each file that cannot be used. */
async function accessOf(config: Config): Promise<MonitoringAccess> {
  const { warnings, ...access } = await readPageAccess(config, config.exporter, SECTION);
  printWarnings(warnings);
  return { hosts: config.exporter.hosts, ...access };
}

/** At a SIGHUP: who may ask, as the files say now; one that is wrong changes nothing. */
async function bringUpToDate(
  source: Source,
  exporter: Exporter,
  server: MonitoringServer,
): Promise<void> {
  try {
    // It looks whether the file has changed.
    await exporter.read();
    server.update(await accessOf(source.current.config));
  } catch (error) {
    reportError(error, false);
    say('going on with the token, password and certificate from before');
  }
}

const names = ({ current: { config } }: Source): string =>
  ['router', ...config.servers.map(({ name }) => name)].join(', ');
