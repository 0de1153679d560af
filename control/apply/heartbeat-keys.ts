/** Keys of heartbeats for the pure plan: those that servers have, and fresh ones where they have none. */
import { randomBytes } from 'node:crypto';
import type { Config } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import { readHeartbeatFile } from '../heartbeat/key-file.js';
import {
  HEARTBEAT_KEY_BYTES,
  type HeartbeatSecrets,
  heartbeatSecrets,
} from '../heartbeat/message.js';
import { heartbeatKeyOf } from '../plan/heartbeat.js';
import type { SavedPlan } from '../plan/saved-plan.js';
import type { ObservedHost } from '../plan/state.js';
import { ROUTER } from './macs.js';

/** By the server's name. */
export type FreshKeys = ReadonlyMap<string, string>;

/** One for each server of the file: whether it is needed the plan finds out. */
export const freshKeys = ({ servers }: Pick<Config, 'servers'>): FreshKeys =>
  new Map(servers.map(({ name }) => [name, randomBytes(HEARTBEAT_KEY_BYTES).toString('hex')]));

/** With the keys that a saved plan writes: it is planned again with them, and must be the same. */
export const withKeysOf = <D extends { freshKeys: FreshKeys }>(
  saved: Pick<SavedPlan, 'steps'>,
  deployment: D,
): D => ({
  ...deployment,
  freshKeys: new Map([...deployment.freshKeys, ...savedKeys(saved)]),
});

function savedKeys({ steps }: Pick<SavedPlan, 'steps'>): FreshKeys {
  const files = steps.flatMap(({ stdin = '' }) => {
    if (!stdin.startsWith('{')) return [];
    const read = readHeartbeatFile(stdin);
    return 'value' in read ? [read.value] : [];
  });
  return new Map(files.map(({ server, key }) => [server, key]));
}

/** What the router is to know heartbeats by; of a server that this run does not see there is nothing. */
export function heartbeatsOf(
  { servers }: Pick<Config, 'servers'>,
  observed: ReadonlyMap<string, ObservedHost>,
  fresh: FreshKeys,
): Map<string, HeartbeatSecrets> {
  return new Map(
    servers.flatMap((server) => {
      const host = observed.get(server.name);
      // What was applied last is known to the router.
      if (server.health !== 'heartbeat' || host === undefined || host.heartbeat?.unread) return [];
      const key = heartbeatKeyOf({ host, server }, fresh.get(server.name)!);
      return [[server.name, heartbeatSecrets(key)]];
    }),
  );
}

/** A key that is made without the router, which goes by another one, or by the server's route, until it is told. */
export function unknownKey(
  { config, freshKeys: fresh }: { config: Config; freshKeys: FreshKeys },
  observed: ReadonlyMap<string, ObservedHost>,
  name: string,
): Diagnostic[] {
  const index = config.servers.findIndex((server) => server.name === name);
  const [server, host] = [config.servers[index], observed.get(name)];
  if (server?.health !== 'heartbeat' || host === undefined || observed.has(ROUTER)) return [];
  const key = fresh.get(name)!;
  if (host.heartbeat?.unread || heartbeatKeyOf({ host, server }, key) !== key) return [];
  return [
    {
      ...config.positionOf(['servers', index, 'health']),
      message: `${name} gets a new key for its heartbeats, and the router is not told of it in this run`,
      hint: 'run `sidetrack apply` for both at once, or write `health: route`',
    },
  ];
}
