import type { Command } from 'commander';
import { loadConfig } from '../../config/load.js';
import { SidetrackError } from '../../error.js';
import { action, type CommonOptions, command, configFile, withConfigFile } from '../context.js';
import { ending } from '../exporter/ending.js';
import { startBeats } from '../heartbeat/beats.js';
import { heartbeatPlace } from '../heartbeat/place.js';
import { programJudge } from '../heartbeat/program-judge.js';
import { EXIT_OK, printWarnings, say } from '../output.js';
import { namedServer } from '../relay/choose-server.js';

interface HeartbeatOptions extends CommonOptions {
  server?: string;
}

export function heartbeatCommand(): Command {
  const heartbeat = command(
    'heartbeat',
    "Tell the router whether the server's own program is fit, beside `program: external`",
    [
      'sidetrack heartbeat -c /etc/sidetrack/sidetrack.yaml',
      'kill -TERM <pid>               # says that the server leaves, then ends',
    ],
  );
  return withConfigFile(heartbeat)
    .option('--server <name>', 'which server of the configuration this machine is')
    .action(action(runHeartbeat));
}

async function runHeartbeat(options: HeartbeatOptions): Promise<number> {
  const config = await loadConfig(configFile(options));
  const server = namedServer(config, options.server);
  if (server.program === 'relay')
    throw new SidetrackError(`${config.file} says that ${server.name} runs the relay`, {
      code: 'program-relay',
      source: 'user',
      hint: 'the relay sends its heartbeats itself; write `program: external` for another program',
    });
  printWarnings(config.warnings);
  const place = heartbeatPlace();
  const signals = ending();
  const judge = programJudge(server);
  const beats = startBeats(place, judge);
  say(`heartbeats of ${server.name} as ${place.file} says; the program's port is ${server.port}`);
  // Waiting for a signal alone does not keep Node running.
  const alive = setInterval(() => {}, 3_600_000);
  await signals.ended();
  clearInterval(alive);
  await beats.leave();
  beats.end();
  judge.end();
  return EXIT_OK;
}
