import type { Command } from 'commander';
import pc from 'picocolors';
import { relayRegistry } from '../../../monitoring/collect.js';
import { type Reloads, registerReloads } from '../../../monitoring/reload.js';
import {
  MonitoringError,
  type MonitoringServer,
  startMonitoring,
} from '../../../monitoring/server.js';
import { RelayError } from '../../../proxy/error.js';
import { type Relay, type RelayOptions, startRelay } from '../../../proxy/relay.js';
import type { Config, ServerConfig } from '../../config/config.js';
import { loadConfig } from '../../config/load.js';
import { SidetrackError } from '../../error.js';
import { action, type CommonOptions, command, configPath, withConfig } from '../context.js';
import { EXIT_FAILED, EXIT_OK, note } from '../output.js';
import { version } from '../package.js';
import { listenerName } from '../port-owner.js';
import type { RelaySetup } from '../relay-changes.js';
import { relayOptions } from '../relay-options.js';
import { reloadOnHangup } from '../relay-reload.js';
import { prepareUpstreams } from '../upstreams.js';

interface RelayCommandOptions extends CommonOptions {
  server?: string;
}

export function relayCommand(): Command {
  const relay = command('relay', 'Run the relay on the server, in the foreground', [
    'sudo sidetrack relay',
    'sidetrack relay --config /etc/sidetrack/sidetrack.yaml',
    'curl http://127.0.0.1:9150/metrics     # what it counts; /connections: where clients wanted to go',
    'kill -HUP <pid>                        # read the configuration anew, for new connections',
    'kill -TERM <pid>                       # finish the open connections, then end',
  ]);
  return withConfig(relay)
    .option('--server <name>', 'which server of the configuration this machine is')
    .action(action(runRelay));
}

async function runRelay(options: RelayCommandOptions): Promise<number> {
  const setup = await readSetup(options);
  const relay = start(setup.options);
  const reloading = reloadOnHangup(relay, setup, () => readSetup(options));
  const monitoring = await startPages(setup.config, relay, reloading.reloads);
  note(
    `relay on port ${relay.port} with ${relay.threads} threads, at most ${relay.maxConnections} connections; ${monitoring.url}/metrics`,
  );
  const stopped = await nextSignal();
  reloading.end();
  // The next relay takes both ports at once; this one only finishes what it has.
  await monitoring.close();
  const drained = await drain(reloading.config, relay, stopped);
  relay.stop();
  return drained ? EXIT_OK : EXIT_FAILED;
}

async function readSetup(options: RelayCommandOptions): Promise<RelaySetup> {
  const config = await loadConfig(configPath(options));
  const server = chooseServer(config, options.server);
  return { config, server, options: relayOptions(config, server, await prepareUpstreams(config)) };
}

function chooseServer({ servers, file }: Config, name: string | undefined): ServerConfig {
  const server = name === undefined ? servers[0] : servers.find((one) => one.name === name);
  const names = servers.map((one) => one.name).join(', ');
  if (server === undefined)
    throw new SidetrackError(`there is no server "${name}" in ${file}`, {
      code: 'no-such-host',
      source: 'user',
      hint: `choose one of ${names}`,
    });
  if (server.program === 'relay') return server;
  throw new SidetrackError(`${file} says that ${server.name} runs a program of its own`, {
    code: 'program-external',
    source: 'user',
    hint: 'write `program: relay` to use the relay',
  });
}

function start(options: RelayOptions): Relay {
  try {
    return startRelay(options);
  } catch (error) {
    if (error instanceof RelayError) throw portError(error, options.port);
    throw error;
  }
}

function portError(error: RelayError, port: number): SidetrackError {
  const owner = error.code === 'EADDRINUSE' ? listenerName(port) : undefined;
  const message = owner ? `port ${port} is in use by ${owner}` : error.message;
  return new SidetrackError(message, {
    code: 'relay-start',
    source: 'host',
    hint: owner ? 'stop it, or choose another `port` and apply again' : error.hint,
    cause: error,
  });
}

async function startPages(
  { relay: { metrics } }: Config,
  relay: Relay,
  reloads: Reloads,
): Promise<MonitoringServer> {
  const registry = relayRegistry(() => relay.stats(), version());
  registerReloads(registry, reloads);
  try {
    return await startMonitoring({ ...metrics, registry, recent: () => relay.recent() });
  } catch (error) {
    relay.stop();
    if (!(error instanceof MonitoringError)) throw error;
    const { message, hint } = error;
    throw new SidetrackError(message, { code: 'metrics-port', source: 'host', hint, cause: error });
  }
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

/** Waits for the open connections; a second signal cuts them off. @returns false when cut off. */
async function drain({ relay: { drainSeconds } }: Config, relay: Relay, signal: string) {
  const open = relay.active();
  if (open > 0)
    note(
      `${signal}: no new connections; ${open} may finish within ${drainSeconds} s ${pc.dim('(again to stop now)')}`,
    );
  await Promise.race([relay.drain(drainSeconds * 1000), nextSignal()]);
  const { drained } = relay.stats().outcomes;
  if (drained > 0) note(`${drained} connections were cut off by the deadline`);
  return relay.active() === 0;
}
