/** What keeps a host from being brought back at boot, or what it needs besides. Pure. */
import type { Config } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import { locate } from './finding.js';
import { type FoundEntry, type Init, KEEP_PROGRAM } from './persist.js';
import { RELAY_UNIT } from './relay-unit.js';
import type { HostState, ObservedHost } from './state.js';

interface Findings {
  errors: Diagnostic[];
  warnings: Diagnostic[];
}

/** What a person adds where there is neither systemd nor OpenWrt's procd. */
const LINE = `sh ${KEEP_PROGRAM} watch </dev/null >/dev/null 2>&1 &`;

const PLACES: Readonly<Partial<Record<Init, string>>> = {
  openrc:
    '/etc/local.d/sidetrack.start (executable, with #!/bin/sh before it; rc-update add local)',
  other: 'what your system runs at boot, such as /etc/rc.local',
};

/** Undefined where it is started at boot by what we write. */
export function notStarted(init: Init): { message: string; hint: string } | undefined {
  const place = PLACES[init];
  if (place === undefined) return undefined;
  return {
    message: 'nothing starts it at boot: it has neither systemd nor the procd of OpenWrt',
    hint: `type there, and add to ${place}: ${LINE}`,
  };
}

/**
 * @param asks whether the command line says so
 * @param isOurs of what was found at a path
 */
export function checkPersist(
  config: Config,
  { name, persist: wanted, heartbeat, relay }: HostState,
  { address, persist: found, ownsEtc, relay: unit }: ObservedHost,
  asks: boolean,
  isOurs: (path: string, found: FoundEntry) => boolean,
): Findings {
  const index = config.servers.findIndex((server) => server.name === name);
  const path = index < 0 ? ['router', 'host'] : ['servers', index, 'host'];
  const at = (message: string, hint: string) =>
    locate(config, [{ path, message: `${address}: ${message}`, hint }]);
  if (asks && !ownsEtc)
    return {
      errors: [],
      warnings: at(
        'a network namespace shares /etc with its machine, so nothing is written there for its next boot',
        'make it anew with what makes the namespace: sidetrack plan --sh DIR',
      ),
    };
  if (wanted === undefined || found === undefined) return { errors: [], warnings: [] };
  const foreign = wanted.entries.flatMap((entry) => {
    const there = found.found[entry.path];
    return there === undefined || isOurs(entry.path, there) ? [] : [entry.path];
  });
  const errors = foreign.flatMap((one) =>
    at(
      `${one} is not by sidetrack`,
      `move it away there: mv ${one} ${one}.before; or leave --persist out`,
    ),
  );
  const unstarted = notStarted(found.init);
  const program = config.servers[index]?.program;
  const warnings = [
    ...(unstarted ? at(unstarted.message, unstarted.hint) : []),
    ...(heartbeat && program === 'external' && found.init === 'systemd' && !found.startsHeartbeats
      ? at(
          'nothing starts its heartbeats at boot',
          'type there: systemctl enable --now sidetrack-heartbeat.service',
        )
      : []),
    ...(program === 'relay' && relay === undefined && unit?.isEnabled === false
      ? at(
          'nothing starts its relay at boot',
          `run sidetrack apply --install, or start it by its own means (${RELAY_UNIT})`,
        )
      : []),
  ];
  return { errors, warnings };
}
