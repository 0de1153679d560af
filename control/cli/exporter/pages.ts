/** The exporter's pages: nothing that is asked of them does more than read. */
import type { Registry } from 'prom-client';
import { asciiState } from '../../../monitoring/ascii.js';
import { stateOfReading } from '../../../monitoring/exporter-reading.js';
import {
  type MonitoringAccess,
  MonitoringError,
  startMonitoring,
} from '../../../monitoring/server.js';
import type { Config } from '../../config/config.js';
import type { Exporter } from '../../exporter/exporter.js';
import type { Source } from '../../exporter/source.js';
import { PAGES_CREDENTIALS } from '../../plan/relay-secrets.js';
import { printWarnings, reportError, say } from '../output.js';
import { type PageAccess, readPageAccess, wipeAccess } from '../relay/page-access.js';
import { pagesError } from '../relay/pages-error.js';
import { whyFrom } from '../relay/why.js';
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
  const access = await readPageAccess(config, config.exporter, SECTION, PAGES_CREDENTIALS);
  printWarnings(access.warnings);
  try {
    const { url, update, close } = await startMonitoring({
      address,
      ...(port !== undefined && { port }),
      ...(socket !== undefined && { socket }),
      ...accessOf(config, access),
      registry,
      section: SECTION.join('.'),
      state: async () => stateOfReading(await exporter.read()),
      table: asciiState,
      why: whyFrom(() => source.current.config),
      ready: () => (exporter.hasRead ? undefined : 'no host has been read yet'),
    });
    wipeAccess(access);
    const end = ending(() => {
      exporter.hurry();
      void readAgain(source, exporter, update);
    });
    say(`metrics of ${names(config)} on ${url.startsWith('/') ? url : `${url}/metrics`}`);
    // So that what cannot be reached is told now, and not at the first scrape.
    await exporter.read();
    await end.ended();
    await close();
  } catch (error) {
    if (error instanceof MonitoringError)
      throw pagesError(error, config, SECTION, config.exporter.port);
    throw error;
  }
}

/** Names, credentials and certificate, as the files say now; one that is wrong changes nothing. The port stays. */
async function readAgain(
  source: Source,
  exporter: Exporter,
  update: (access: MonitoringAccess) => void,
): Promise<void> {
  try {
    // It looks whether the configuration has changed.
    await exporter.read();
    const { config } = source.current;
    const access = await readPageAccess(config, config.exporter, SECTION, PAGES_CREDENTIALS);
    printWarnings(access.warnings);
    update(accessOf(config, access));
    wipeAccess(access);
  } catch (error) {
    reportError(error, false);
    say('going on with the token, password and certificate from before');
  }
}

const accessOf = (
  { exporter: { hosts } }: Config,
  { auth, tls }: PageAccess,
): MonitoringAccess => ({
  hosts,
  ...(auth !== undefined && { auth }),
  ...(tls !== undefined && { tls }),
});

const names = ({ servers }: Config): string =>
  ['router', ...servers.map(({ name }) => name)].join(', ');
