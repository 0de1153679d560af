/** What a router knows of the servers that it steers to, in lines. */
import { HEARTBEAT_REASONS, type ServerHealth } from '../heartbeat/server-health.js';
import { table } from './output.js';

/** Nothing where no server has heartbeats, or none is known. */
export function serverTable(servers: readonly ServerHealth[]): string[] {
  const judged = servers.filter(({ health, drained }) => health === 'heartbeat' || drained);
  if (judged.length === 0) return [];
  return table(['server', 'IPv4', 'IPv6', 'heard', 'ignored', 'why'], judged.map(serverRow));
}

function serverRow(one: ServerHealth): string[] {
  const { server, families, drained, lastHeardSeconds, reason, ignored } = one;
  const heard = lastHeardSeconds === undefined ? 'never' : `${lastHeardSeconds.toFixed(1)} s ago`;
  const dropped = Object.entries(ignored).filter(([, count]) => count > 0);
  return [
    server,
    families[4] ?? '-',
    families[6] ?? '-',
    heard,
    dropped.map(([what, count]) => `${count} ${what}`).join(', '),
    [
      ...(drained ? ['drained'] : []),
      ...(reason === undefined || reason === 'ok' ? [] : [HEARTBEAT_REASONS[reason]]),
    ].join(', '),
  ];
}
