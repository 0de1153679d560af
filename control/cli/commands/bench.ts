import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { compareDocuments, type DocumentComparison } from '../../bench/compare.js';
import { type BenchDocument, parseBenchDocument } from '../../bench/document.js';
import { renderReport } from '../../bench/report.js';
import { SidetrackError } from '../../error.js';
import { measureHere, measureInLab } from '../bench/measure.js';
import { type BenchCommandOptions, checkBenchOptions, withBenchOptions } from '../bench/options.js';
import { printBench, printComparison } from '../bench/output.js';
import { action, command, withConfigFile, withJson } from '../context.js';
import { EXIT_FAILED, EXIT_OK, printJson, say } from '../output.js';
import { interruptible } from '../signals.js';

const MOST_SEED = 1_000_000;

export function benchCommand(): Command {
  const bench = command('bench', 'Measure a set-up with iperf3: how fast, how late, at what cost', [
    'sidetrack bench --lab --html report.html                  # in a lab of its own, needs nothing else',
    'sidetrack bench --server ssh://root@vps --direct :587     # a port that a rule leaves alone, beside the steered one',
    'sidetrack bench --client ssh://me@desktop --server iperf.example.net:5201',
    'sidetrack bench --lab --variants steered,tproxy,ebpf --json > old.json',
    'sidetrack bench --server ssh://root@vps --compare old.json --fail-if-slower',
  ]);
  return withBenchOptions(withJson(withConfigFile(bench)))
    .addHelpText(
      'after',
      `
Router and servers of the configuration, where there is one, are asked how busy they are; nothing is changed there.
Exit status: 0 measured; 1 failed, ended early, or with --fail-if-slower something is worse; 2 wrong usage.
`,
    )
    .action(action(runBenchCommand));
}

async function runBenchCommand(options: BenchCommandOptions): Promise<number> {
  checkBenchOptions(options);
  const old = options.compare === undefined ? undefined : readOld(options.compare);
  const seed = options.seed ?? randomInt(MOST_SEED);
  const document = await interruptible((signal) =>
    options.lab
      ? measureInLab({ ...options, seed }, signal)
      : measureHere({ ...options, seed }, signal),
  );
  const comparison = old && compareDocuments(old, document);
  if (options.html !== undefined) writeReport(options.html, document, comparison, options.compare);
  if (options.json) printJson(comparison ? { ...document, comparison } : document);
  else {
    printBench(document);
    if (comparison) printComparison(options.compare!, comparison);
  }
  const isWorse = comparison?.rows.some(({ verdict }) => verdict.kind === 'worse') ?? false;
  const failed = document.interrupted || (options.failIfSlower === true && isWorse);
  return failed ? EXIT_FAILED : EXIT_OK;
}

function readOld(path: string): BenchDocument {
  if (!existsSync(path))
    throw new SidetrackError(`there is no ${path}`, {
      code: 'bench-file',
      source: 'user',
      hint: 'make it with: sidetrack bench … --json > FILE',
    });
  return parseBenchDocument(path, readFileSync(path, 'utf8'));
}

function writeReport(
  path: string,
  document: BenchDocument,
  comparison: DocumentComparison | undefined,
  comparedWith: string | undefined,
): void {
  const html = renderReport(document, comparison && { name: comparedWith ?? '', ...comparison });
  try {
    writeFileSync(path, html);
    say(`  the report: ${path}`);
  } catch (cause) {
    // The figures are still printed.
    say(`error: ${path} could not be written: ${cause instanceof Error ? cause.message : cause}`);
  }
}
