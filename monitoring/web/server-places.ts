/** The servers as places on the way of the traffic. Pure. */
import type { HostState, RelayState, ServerHealthState, State } from '../state.js';
import { formatAge, formatCount, oneLine, plural } from './format.js';
import { hostStanding, type Place, type Standing } from './place.js';
import { ownServer, serverStanding, sinceOf } from './servers.js';

export function serversOf(state: State): readonly Place[] {
  const { hosts, relay, router } = state;
  const health = new Map(router?.servers?.map((one) => [one.server, one]));
  const read = hosts?.filter(({ name }) => name !== 'router').map(({ name }) => name) ?? [];
  const names = [...new Set([...read, ...health.keys()])];
  if (names.length === 0) return [serverPlace(state, 'Server', { relay })];
  const own = ownServer(state);
  return names.map((name) => {
    const host = hosts?.find((one) => one.name === name);
    const judged = health.get(name);
    return serverPlace(state, oneLine(name, 40), {
      ...(host && { host }),
      ...(judged && { judged }),
      ...(name === own && { relay }),
    });
  });
}

interface KnownOfServer {
  host?: HostState;
  judged?: ServerHealthState;
  /** When it is this one's. */
  relay?: RelayState | undefined;
}

/** What the router takes it for counts first, for by that flows go there or not. */
function serverPlace({ at }: State, title: string, known: KnownOfServer): Place {
  const { judged, relay } = known;
  const isJudged = judged !== undefined && (judged.health === 'heartbeat' || judged.drained);
  return {
    key: `server ${title}`,
    kind: 'server',
    title,
    ...standingOf(known, isJudged ? serverStanding(judged) : undefined),
    details: [
      ...(isJudged ? judgedDetails(judged, at) : []),
      ...(relay === undefined
        ? []
        : [
            `${formatCount(relay.connections.active)} open`,
            `${relay.capture}, port ${relay.port}`,
          ]),
    ],
  };
}

function standingOf({ host, relay }: KnownOfServer, byRouter: Standing | undefined): Standing {
  if (byRouter !== undefined && byRouter.level !== 'ok') return byRouter;
  const byHost = host === undefined ? undefined : hostStanding(host);
  const isFine = byHost === undefined || byHost.level === 'ok';
  if (byRouter !== undefined) return isFine || host?.up === false ? byRouter : byHost;
  if (isFine && relay) return { level: 'ok', word: 'relaying' };
  return byHost ?? hostStanding(undefined);
}

function judgedDetails(judged: ServerHealthState, at: number): string[] {
  const since = sinceOf(judged);
  const reason = judged.reason === undefined || judged.reason === 'ok' ? [] : [judged.reason];
  return [
    ...reason.map((word) => oneLine(word, 20)),
    ...(since === undefined ? [] : [`for ${formatAge(at - since)}`]),
    ...(judged.flows === undefined ? [] : [plural(judged.flows, 'flow')]),
    ...(judged.backup === true ? ['backup'] : []),
  ];
}
