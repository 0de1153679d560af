import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../config/config.js';
import { loadConfig } from '../../config/load.js';
import { action, type CommonOptions, command, configFile, withConfigFile } from '../context.js';
import { exporterUnit } from '../exporter/unit.js';
import { heartbeatUnit } from '../heartbeat/unit.js';
import { print, say } from '../output.js';
import { chooseServer } from '../relay/choose-server.js';
import { type Invocation, relayUnit, unreadableByOthers } from '../relay/unit.js';

interface ServiceOptions extends CommonOptions {
  exporter?: boolean;
  heartbeat?: boolean;
  server?: string;
}

export function serviceCommand(): Command {
  const service = command(
    'service',
    'Print a systemd unit that runs the relay, the exporter, or heartbeats of another program',
    [
      'sidetrack service -c /etc/sidetrack/sidetrack.yaml > /etc/systemd/system/sidetrack-relay.service',
      'systemctl daemon-reload',
      'systemctl enable --now sidetrack-relay',
      'systemctl kill --kill-whom=main -s SIGUSR2 sidetrack-relay   # a new version takes over',
      'sidetrack service --exporter -c /etc/sidetrack/sidetrack.yaml > /etc/systemd/system/sidetrack-exporter.service',
    ],
  );
  return withConfigFile(service)
    .option('--server <name>', 'which server of the configuration this machine is')
    .option('--exporter', 'the unit of `sidetrack exporter` instead')
    .option('--heartbeat', 'the unit of `sidetrack heartbeat` instead')
    .action(action(printUnit));
}

async function printUnit(options: ServiceOptions): Promise<undefined> {
  const config = await loadConfig(configFile(options));
  const paths = {
    node: process.execPath,
    program: resolve(process.argv[1]!),
    config: resolve(config.file),
  };
  print(unitText(config, paths, options).trimEnd());
  const unreadable = unreadableByOthers([
    ...Object.values(paths),
    ...Object.values(config.sets).map(({ file }) => resolve(file)),
  ]);
  if (unreadable !== undefined)
    say(
      `warning: the service's user cannot read ${unreadable}\n  hint: chmod it and the folders above, or move it out of private ones`,
    );
}

function unitText(
  config: Config,
  paths: Invocation,
  { exporter, heartbeat, server }: ServiceOptions,
) {
  if (exporter) return exporterUnit(config, paths);
  const named = { ...paths, ...(server !== undefined && { server }) };
  if (heartbeat) return heartbeatUnit(named);
  return relayUnit(config, chooseServer(config, server), named);
}
