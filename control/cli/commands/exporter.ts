import type { Command } from 'commander';
import { exporterRegistry } from '../../../monitoring/exporter.js';
import type { Config } from '../../config/config.js';
import { printable } from '../../config/diagnostic.js';
import { SidetrackError } from '../../error.js';
import { Exporter } from '../../exporter/exporter.js';
import { Source } from '../../exporter/source.js';
import { action, type CommonOptions, command, configFile, withConfigFile } from '../context.js';
import { servePages } from '../exporter/pages.js';
import { writeMetrics } from '../exporter/text-file.js';
import { EXIT_FAILED, EXIT_OK, print, printWarnings, say } from '../output.js';
import { version } from '../package.js';
import { isWrittenByApply } from '../relay/why.js';

interface ExporterOptions extends CommonOptions {
  once?: boolean;
  textfile?: string;
  every?: string;
}

export function exporterCommand(): Command {
  const exporter = command(
    'exporter',
    'Serve metrics of router and servers to Prometheus, from any machine that reaches them',
    [
      'sidetrack exporter             # on 127.0.0.1:9151, or as `exporter` says',
      'curl http://127.0.0.1:9151/    # all as text; /metrics is for Prometheus',
      'sidetrack exporter --once      # print the metrics and end',
      'sidetrack exporter --textfile /var/lib/prometheus/node-exporter/sidetrack.prom --every 30s',
    ],
  );
  return withConfigFile(exporter)
    .option('--once', 'read the hosts once, print their metrics, and end')
    .option(
      '--textfile <file>',
      "write the metrics to a file, for node_exporter's textfile collector, and serve nothing",
    )
    .option(
      '--every <time>',
      'with --textfile: how often it is written, such as 30s, 5m or 1h (default: once)',
    )
    .action(action(runExporter));
}

async function runExporter(options: ExporterOptions): Promise<number> {
  const everyMs = intervalOf(options);
  const source = await Source.open(configFile(options), say);
  const { config } = source.current;
  if (isWrittenByApply(config)) throw partOnly(config);
  const exporter = new Exporter(source, { ...timesOf(config), say });
  const serves = !options.once && options.textfile === undefined;
  const versions = { version: version(), node: process.version };
  const registry = exporterRegistry(() => exporter.read(), versions, { serves });
  try {
    if (options.once) print((await registry.metrics()).trimEnd());
    else if (options.textfile !== undefined)
      await writeMetrics(options.textfile, everyMs, () => registry.metrics());
    else {
      printWarnings(config.warnings);
      await servePages(source, exporter, registry);
      return EXIT_OK;
    }
    const { hosts } = await exporter.read();
    return everyMs !== undefined || hosts.every(({ up }) => up) ? EXIT_OK : EXIT_FAILED;
  } finally {
    await exporter.close();
  }
}

/** It would take the server for the router. */
const partOnly = ({ file }: Config) =>
  new SidetrackError(
    `${printable(file)} is the part of a configuration that apply wrote for a relay`,
    {
      code: 'config-part',
      source: 'user',
      hint: 'run the exporter with the file that `sidetrack apply` reads, on a machine that has it: -c FILE',
    },
  );

const timesOf = ({ exporter: { timeoutSeconds, compareSeconds } }: Config) => ({
  timeoutMs: 1000 * timeoutSeconds,
  compareMs: 1000 * compareSeconds,
});

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds; undefined for once. */
function intervalOf({ once, textfile, every }: ExporterOptions): number | undefined {
  if (once && textfile !== undefined)
    throw usage('--once prints, and --textfile writes', 'name one of them');
  if (every === undefined) return undefined;
  if (textfile === undefined)
    throw usage('--every goes with --textfile', 'without it the exporter reads when it is asked');
  const [, count, unit = 's'] = /^([1-9]\d{0,4})([smh]?)$/.exec(every) ?? [];
  if (count === undefined) throw usage(`--every ${every} is no time`, 'write 30s, 5m or 1h');
  return Number(count) * UNIT_MS[unit || 's']!;
}

const usage = (message: string, hint: string) =>
  new SidetrackError(message, { code: 'usage', source: 'user', hint });
