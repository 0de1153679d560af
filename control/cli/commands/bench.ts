import { randomInt } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
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
    'sidetrack bench --lab --html report.html    # in a lab; about 3 minutes',
    'sidetrack bench --server ssh://root@vps --direct :587    # 587: not steered',
    'sidetrack bench --client ssh://me@desktop --server iperf.example.net:5201',
    'sidetrack bench --lab --variants steered,tproxy,ebpf --json > old.json',
    'sidetrack bench --server ssh://root@vps --compare old.json --fail-if-slower',
  ]);
  return withBenchOptions(withJson(withConfigFile(bench)))
    .addHelpText(
      'after',
      `
Router and servers of the configuration, where there is one, are asked how busy
they are; nothing is changed there.
Exit status: 0 measured; 1 failed, ended early, nothing to compare, or with
--fail-if-slower something is worse; 2 wrong usage.
`,
    )
    .action(action(runBenchCommand));
}

async function runBenchCommand(options: BenchCommandOptions): Promise<number> {
  checkBenchOptions(options);
  if (options.html !== undefined) checkWritable(options.html);
  const old = options.compare === undefined ? undefined : readOld(options.compare);
  const seed = options.seed ?? randomInt(MOST_SEED);
  const document = await interruptible((signal) =>
    options.lab
      ? measureInLab({ ...options, seed }, signal)
      : measureHere({ ...options, seed }, signal),
  );
  const comparison = old && compareDocuments(old, document);
  const isWritten =
    options.html === undefined ||
    writeReport(options.html, document, comparison, options.compare ?? '');
  if (options.json) printJson(comparison ? { ...document, comparison } : document);
  else {
    printBench(document);
    if (comparison) printComparison(options.compare!, comparison);
  }
  const rows = comparison?.rows ?? [];
  const isWorse = options.failIfSlower && rows.some(({ verdict }) => verdict.kind === 'worse');
  const isIncomparable = comparison !== undefined && rows.length === 0;
  const failed = document.interrupted || !isWritten || isWorse || isIncomparable;
  return failed ? EXIT_FAILED : EXIT_OK;
}

/** Before minutes are spent. */
function checkWritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
    if (existsSync(path)) accessSync(path, constants.W_OK);
  } catch (cause) {
    throw new SidetrackError(`the report cannot be written to ${path}`, {
      code: 'bench-html',
      source: 'user',
      hint: 'name a file in a directory that you may write to: --html report.html',
      cause,
    });
  }
}

/** Bytes; the longest that bench writes has some. */
const LONGEST_OLD = 64 << 20;

function readOld(path: string): BenchDocument {
  try {
    if (statSync(path).size <= LONGEST_OLD)
      return parseBenchDocument(path, readFileSync(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof SidetrackError) throw cause;
    throw oldError(`${path} cannot be read`, cause);
  }
  throw oldError(`${path} is too long for a result of sidetrack bench`);
}

const oldError = (message: string, cause?: unknown) =>
  new SidetrackError(message, {
    code: 'bench-file',
    source: 'user',
    hint: 'make one with: sidetrack bench … --json > FILE',
    cause,
  });

/** The figures are printed in any case. */
function writeReport(
  path: string,
  document: BenchDocument,
  comparison: DocumentComparison | undefined,
  name: string,
): boolean {
  try {
    writeFileSync(path, renderReport(document, comparison && { name, ...comparison }));
    say(`  the report: ${path}`);
    return true;
  } catch (cause) {
    say(`error: ${path} could not be written: ${cause instanceof Error ? cause.message : cause}`);
    return false;
  }
}
