import { closeSync } from 'node:fs';
import type { Command } from 'commander';
import { RelayError } from '../../../proxy/error.js';
import { type Relay, type RelayOptions, startRelay } from '../../../proxy/relay.js';
import { loadConfig } from '../../config/load.js';
import { SidetrackError } from '../../error.js';
import { PAGES_CREDENTIALS } from '../../plan/relay-secrets.js';
import { action, type CommonOptions, command, configFile, withConfigFile } from '../context.js';
import { count } from '../count.js';
import { startBeats } from '../heartbeat/beats.js';
import { heartbeatPlace } from '../heartbeat/place.js';
import { EXIT_FAILED, EXIT_OK, printWarnings, say, sayOnce } from '../output.js';
import { watchAttached } from '../relay/attached.js';
import type { RelaySetup } from '../relay/changes.js';
import { chooseServer } from '../relay/choose-server.js';
import { congestionNames, congestionOf } from '../relay/congestion.js';
import { drain, handOver, leave, type RunningRelay } from '../relay/end.js';
import { exporterPlace } from '../relay/exporter-place.js';
import { expressFor } from '../relay/express.js';
import { patiently } from '../relay/first-setup.js';
import { relayJudge } from '../relay/fitness.js';
import { watchNames } from '../relay/name-watch.js';
import { Names } from '../relay/names.js';
import { startObservation } from '../relay/observation.js';
import { relayOptions } from '../relay/options.js';
import { readPageAccess, wipeAccess } from '../relay/page-access.js';
import { checkPagesAddress, PAGES_SECTION, type Pages, startPages } from '../relay/pages.js';
import { listenerName } from '../relay/port-owner.js';
import { readAheadText } from '../relay/read-ahead.js';
import { viewOf } from '../relay/relay-view.js';
import { reloadOnHangup } from '../relay/reload.js';
import { openService } from '../relay/service.js';
import { listenForSignals, type Signals } from '../relay/signals.js';
import { type Inheritance, takeInheritance } from '../relay/sockets.js';
import { relievePredecessor } from '../relay/successor.js';
import { watchUpstreams } from '../relay/upstream-watch.js';
import { prepareUpstreams } from '../relay/upstreams.js';

interface RelayCommandOptions extends CommonOptions {
  server?: string;
}

export function relayCommand(): Command {
  const relay = command('relay', 'Run the relay on the server, in the foreground', [
    'sudo sidetrack relay',
    'sidetrack relay --config /etc/sidetrack/sidetrack.yaml',
    'curl http://127.0.0.1:9150/metrics     # what it counts',
    'kill -HUP <pid>                        # read the configuration anew, for new connections',
    'kill -TERM <pid>                       # finish the open connections, then end',
    'kill -USR2 <pid>                       # a new version takes over; no client is refused, open connections finish',
  ]);
  return withConfigFile(relay)
    .option('--server <name>', 'which server of the configuration this machine is')
    .action(action(runRelay));
}

async function runRelay(options: RelayCommandOptions): Promise<number> {
  const signals = listenForSignals();
  try {
    const running = await begin(options, signals);
    const code = await serve(running);
    // A resolver that hangs would keep us for half a minute after everything is over.
    if (running.names.isAsking || running.view.isAsking) process.exit(code);
    return code;
  } finally {
    signals.close();
  }
}

async function begin(options: RelayCommandOptions, signals: Signals): Promise<RunningRelay> {
  // Nobody is connected yet, and names may take long to resolve.
  const quit = () => process.exit(EXIT_FAILED);
  signals.stop.addEventListener('abort', quit);
  const inheritance = takeInheritance();
  const service = openService();
  const names = new Names(inheritance.addresses);
  const read = () => readSetup(options, names);
  // A predecessor goes on with what it has, so only a fresh start need wait.
  const patient = service.isManaged && !inheritance.hasPredecessor;
  const setup = await (patient ? patiently(read, service.status) : read());
  const { config } = setup;
  printWarnings(setup.access.warnings);
  if (inheritance.hasPredecessor) await checkPagesAddress(config);
  const express = expressFor(config, setup.server, say);
  const relay = start({
    ...setup.options,
    listeners: inheritance.sockets,
    ...express?.maps,
  });
  signals.stop.removeEventListener('abort', quit);
  const adopted = sayRefused(relay, inheritance);
  if (inheritance.hasPredecessor) await relievePredecessor(adopted);
  let pages: Pages | undefined;
  let current = setup;
  const judge = relayJudge(relay, () => current.config, setup.server);
  const beats = startBeats(heartbeatPlace(), judge);
  const reloading = reloadOnHangup(relay, setup, read, service, (next) => {
    current = next;
    if (pages !== undefined) bringUpToDate(pages, next);
  });
  const view = viewOf(relay, reloading, () => current, beats);
  const observation = await startObservation(relay, config.relay, view);
  pages = await startPages(setup, relay, inheritance, reloading.reloads, view);
  if (current !== setup) bringUpToDate(pages, current);
  wipeAccess(setup.access);
  const summary = `relay on port ${relay.port} with ${count(relay.threads, 'thread')}, at most ${count(relay.maxConnections, 'connection')}; ${pages.description}`;
  say(summary);
  say(readAheadText(config.relay));
  service.store(relay.listeners(), adopted ? 0 : inheritance.sockets.length);
  service.watch(judge.threadsTurn);
  service.ready(summary);
  const endings = [
    beats.end,
    view.end,
    watchUpstreams(relay, () => reloading.config.relay.upstreams),
    watchAttached(relay, () => reloading.config),
    watchNames({ ...reloading, upstreams: () => reloading.config.relay.upstreams }, names),
  ];
  const unwatch = () => {
    for (const end of endings) end();
  };
  const watching = { names, view, beats, judge, unwatch };
  return { reloading, relay, express, observation, pages, service, signals, ...watching };
}

function bringUpToDate(pages: Pages, { config, access }: RelaySetup): void {
  pages.update(config, access);
  wipeAccess(access);
}

async function readSetup(options: RelayCommandOptions, names: Names): Promise<RelaySetup> {
  const config = await loadConfig(configFile(options));
  const server = chooseServer(config, options.server);
  const upstreams = await prepareUpstreams(config, names);
  const access = await readPageAccess(
    config,
    config.relay.metrics,
    PAGES_SECTION,
    PAGES_CREDENTIALS,
  );
  config.warnings.push(...access.warnings);
  const exporter = await exporterPlace(config);
  const { choice: congestion, warnings } = congestionOf(config);
  for (const one of warnings) sayOnce(one);
  const relay = relayOptions(config, server, upstreams, congestionNames(congestion));
  return { config, server, options: relay, congestion, access, exporter };
}

/** Until a signal ends it, or a successor has taken its place. @returns the exit code. */
async function serve(running: RunningRelay): Promise<number> {
  const { relay, reloading, pages, service, signals } = running;
  for (;;) {
    const signal = await signals.next();
    if (signal === 'SIGUSR2') {
      const drained = await handOver(running);
      if (drained !== undefined) return drained ? EXIT_OK : EXIT_FAILED;
      continue;
    }
    reloading.end();
    service.stopping(reloading.config.relay.drainSeconds);
    const left = leave(running);
    // The next relay takes both ports at once; this one only finishes what it has.
    await pages.close();
    const limit = reloading.config.relay.drainSeconds;
    const drained = await drain(running, {
      why: signal,
      letGo: async (deadlineMs) => {
        await left;
        await relay.drain(deadlineMs);
      },
      limit,
    });
    return drained ? EXIT_OK : EXIT_FAILED;
  }
}

/** @returns false when sockets from outside were not those of our port; they are closed then. */
function sayRefused(relay: Relay, { sockets }: Inheritance): boolean {
  for (const { fd, reason } of relay.refusedListeners) {
    say(`a listening socket handed to us is not used: ${reason}`);
    closeSync(fd);
  }
  const adopted = sockets.length === 0 || relay.refusedListeners.length < sockets.length;
  if (!adopted)
    say(`opened port ${relay.port} instead; \`sidetrack apply\` makes the redirect follow`);
  return adopted;
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
