import type { Command } from 'commander';
import pc from 'picocolors';
import type { ServerHealthState } from '../../../monitoring/state.js';
import { UNKNOWN } from '../../../monitoring/web/format.js';
import {
  heardText,
  ignoredOf,
  reasonText,
  serverStanding,
  sinceText,
  weightText,
} from '../../../monitoring/web/servers.js';
import { type AttachPoints, deploymentStatus, type HostStatus } from '../../apply/status.js';
import { formatDiagnostic, printable } from '../../config/diagnostic.js';
import { listStates } from '../../lists/states.js';
import {
  action,
  command,
  type HostOptions,
  loadDeployment,
  withHosts,
  withJson,
} from '../context.js';
import { keepLines } from '../keep-output.js';
import { printStates } from '../lists/states-output.js';
import { EXIT_FAILED, EXIT_OK, print, printJson, printWarnings, table } from '../output.js';

export function statusCommand(): Command {
  const status = command(
    'status',
    'Show whether the hosts are as configured, and what the rules counted (exit 1 when not)',
    ['sidetrack status', 'sidetrack status --json | jq .hosts[].counters'],
  );
  return withJson(withHosts(status)).action(action(runStatus));
}

async function runStatus(options: HostOptions): Promise<number> {
  const { config, deployment } = await loadDeployment({ ...options, missesServers: true });
  const { hosts, servers, warnings } = await deploymentStatus(deployment);
  const lists = await listStates(config);
  if (options.json) printJson({ hosts, ...(lists.length > 0 && { lists }), warnings });
  else {
    hosts.forEach(printStatus);
    printServers(servers);
    if (lists.length > 0) {
      printStates(lists);
      print();
    }
    printWarnings(warnings);
  }
  return hosts.every(({ state }) => state === 'in-sync') ? EXIT_OK : EXIT_FAILED;
}

const WORDS: Readonly<Record<HostStatus['state'], string>> = {
  'in-sync': pc.green('as configured'),
  drifted: pc.yellow('differs from the configuration'),
  absent: pc.dim('not applied'),
  unfit: pc.red('cannot be as configured'),
};

/** `eBPF classifier: br-lan attached, lan2 attached; XDP: lan0 native`. */
function attachPoints({ interfaces, xdp }: AttachPoints): string {
  const filters = interfaces.map(({ name, filter }) => `${name} ${filter}`).join(', ');
  const devices = xdp?.map(({ name, mode }) => `${name} ${mode}`).join(', ');
  return `eBPF classifier: ${filters}${devices ? `; XDP: ${devices}` : ''}`;
}

function printStatus(status: HostStatus): void {
  const { name, address, state, differences, problems, counters, flows, classifier, congestion } =
    status;
  const { persistence } = status;
  print(`${pc.bold(name)} (${address}): ${WORDS[state]}`);
  if (state === 'drifted')
    for (const line of differences) print(`  ${pc.yellow('~')} ${printable(line)}`);
  for (const problem of problems) print(`  ${pc.red('!')} ${formatDiagnostic(problem)}`);
  if (persistence && state !== 'absent')
    print(
      `  persisted: ${persistence.persisted ? 'yes' : `no (${printable(persistence.why ?? '')})`}`,
    );
  for (const line of keepLines(status.keep)) print(`  ${line}`);
  if (classifier) print(`  ${printable(attachPoints(classifier))}`);
  if (congestion !== undefined && state !== 'absent') print(`  ${printable(congestion)}`);
  if (flows !== undefined && state !== 'absent') print(`  flows in the flow table: ${flows}`);
  // Guards and other rarities only when they counted something; --json has them all.
  const shown = counters.filter(
    ({ rule, packets }) => packets > 0 || /^(rule |default|redirected)/.test(rule),
  );
  const rows = shown.map(({ rule, packets, bytes }) => [
    printable(rule),
    String(packets),
    bytes === undefined ? '' : String(bytes),
  ]);
  if (rows.length > 0)
    for (const line of table(['counted by', 'packets', 'bytes'], rows)) print(`  ${line}`);
  if (state === 'absent' || differences.length > 0) print('  Next: sidetrack apply');
  print();
}

/** One server that is judged by its route alone has nothing to say that the router's state does not. */
function printServers(servers: readonly ServerHealthState[]): void {
  const isPlain = servers.every(({ health, drained }) => health !== 'heartbeat' && !drained);
  if (servers.length === 0 || (servers.length === 1 && isPlain)) return;
  const at = Date.now() / 1000;
  const rows = servers.map((one) => [
    printable(one.server),
    serverStanding(one).word,
    ascii(sinceText(one, at)),
    ascii(reasonText(one)),
    ascii(heardText(one, at)),
    ascii(weightText(one)),
    String(ignoredOf(one)),
  ]);
  const head = ['server', 'state', 'for', 'why', 'heartbeat', 'weight', 'ignored'];
  const [titles, ...lines] = table(head, rows);
  print(`${pc.bold('servers')} as the router judges them`);
  print(`  ${titles}`);
  for (const [i, line] of lines.entries())
    print(`  ${COLOURS[serverStanding(servers[i]!).level](line)}`);
  for (const { server, drained } of servers)
    if (drained) print(`  Next: sidetrack undrain ${printable(server)}`);
  print();
}

const COLOURS = {
  ok: (text: string) => text,
  warning: pc.yellow,
  critical: pc.red,
  unknown: pc.dim,
} as const;

const ascii = (text: string) => (text === UNKNOWN ? '-' : text);
