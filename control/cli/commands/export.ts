import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { surveyDeployment } from '../../apply/deployment.js';
import { ROUTER } from '../../apply/macs.js';
import { parseAddress } from '../../config/address.js';
import { SidetrackError } from '../../error.js';
import { FRR_MARK, type FrrFile, type FrrOptions, frrFiles } from '../../plan/frr.js';
import {
  action,
  type CommonOptions,
  command,
  loadDeployment,
  withConfig,
  withJson,
} from '../context.js';
import { print, printJson } from '../output.js';
import { writeOwnFile } from '../plan-file.js';

interface ExportOptions extends CommonOptions {
  service: FrrOptions['service'];
  asn: number;
  out?: string;
  force?: boolean;
}

export function exportCommand(): Command {
  const made = command('export', 'Print configurations for other programs', [
    'sidetrack export frr -o frr     # for router and servers',
  ]);
  return made.enablePositionalOptions().addCommand(frrCommand());
}

/** Ranges that few networks use; the first addresses of them. */
const SERVICE: FrrOptions['service'] = { 4: '10.255.250.0', 6: 'fd5d:7e1c:250::' };
const ASN = 64512;

function frrCommand(): Command {
  const frr = command(
    'frr',
    "Print FRR's configuration for router and servers: each server announces an address by BGP, BFD watches the link, and the route in its table follows",
    [
      'sidetrack export frr',
      'sidetrack export frr -o frr                          # a file for each host',
      'sidetrack export frr --service 10.9.0.0,fd00:9:: --asn 65010',
    ],
  );
  return withJson(withConfig(frr))
    .addOption(
      new Option(
        '--service <addresses>',
        'first of the addresses that servers announce, one of each family; nothing else may have a route to them',
      )
        .argParser(serviceOf)
        .default(SERVICE, `${SERVICE[4]},${SERVICE[6]}`),
    )
    .option('--asn <number>', "the router's AS; the servers' is the next one", asnOf, ASN)
    .option('-o, --out <directory>', 'write a file for each host')
    .option('--force', 'with --out: overwrite a file of another kind')
    .action(action(runFrr));
}

function serviceOf(text: string): FrrOptions['service'] {
  const given = text.split(',').map((one) => one.trim());
  const first = (type: 'number' | 'bigint') =>
    given.find((one) => typeof parseAddress(one) === type);
  const [v4, v6] = [first('number'), first('bigint')];
  if (given.length !== [v4, v6].filter((one) => one !== undefined).length)
    throw new InvalidArgumentError('write one address of each family at most: 10.9.0.0,fd00:9::');
  return { 4: v4 ?? SERVICE[4], 6: v6 ?? SERVICE[6] };
}

/** Four bytes, and one more is the servers'. */
const LAST_ASN = 4294967293;

function asnOf(text: string): number {
  const asn = Number(text);
  if (Number.isInteger(asn) && asn >= 1 && asn <= LAST_ASN) return asn;
  throw new InvalidArgumentError(`write a number from 1 to ${LAST_ASN}`);
}

async function runFrr(options: ExportOptions): Promise<undefined> {
  const { config, deployment } = await loadDeployment({ ...options, only: ROUTER });
  const [router] = await surveyDeployment(deployment);
  const files = frrFiles(config, router!.observed, options);
  if (options.json) {
    printJson({ files });
    return;
  }
  if (options.out === undefined) {
    for (const { text } of files) print(text);
    for (const line of NEXT) print(`! ${line}`);
    return;
  }
  await writeFiles(options.out, files, options.force ?? false);
  for (const line of NEXT) print(line);
}

const NEXT = [
  'Next: on each host put it to /etc/frr/frr.conf and restart frr; then write `route: external` for',
  'each server into the configuration, and run `sidetrack apply`.',
];

const READABLE = 0o644;

async function writeFiles(
  directory: string,
  files: readonly FrrFile[],
  force: boolean,
): Promise<void> {
  await mkdir(directory, { recursive: true }).catch((cause) => {
    throw new SidetrackError(`cannot make the directory ${directory}`, {
      code: 'not-writable',
      source: 'user',
      hint: 'name one that is there, or that can be made: sidetrack export frr -o DIR',
      cause,
    });
  });
  for (const { host, text } of files) {
    const file = join(directory, `${host}.conf`);
    const isOurs = (found: string) => found.startsWith(FRR_MARK);
    const own = { content: text, mode: READABLE, isOurs, what: "configuration of sidetrack's" };
    await writeOwnFile(file, own, force);
    print(`${host}: ${file}`);
  }
}
