/** The systemd unit of `sidetrack heartbeat`, which needs no rights at all. */
import { RELAY_CONFIG } from '../../plan/relay-unit.js';
import { packageFile } from '../package.js';
import { fillTemplate, type Invocation, protectHome, quote } from '../relay/unit.js';

const TEMPLATE = 'packaging/systemd/sidetrack-heartbeat.service';

export const heartbeatUnit = (invocation: Invocation): string =>
  filled(invocation, `file:${packageFile('docs/relay.md')}`);

/** Of the package: reads its configuration from the usual place. */
export const packagedHeartbeatUnit = (): string =>
  filled(
    {
      node: '/usr/bin/node',
      program: '/usr/lib/sidetrack/build/control/cli/main.js',
      config: RELAY_CONFIG,
    },
    'man:sidetrack(1)',
  );

function filled({ node, program, config, server }: Invocation, documentation: string): string {
  const named = server === undefined ? [] : ['--server', server];
  return fillTemplate(TEMPLATE, {
    DOCUMENTATION: documentation,
    COMMAND: [node, program, 'heartbeat', '--config', config, ...named].map(quote).join(' '),
    PROTECT_HOME: protectHome([node, program, config]),
  });
}
