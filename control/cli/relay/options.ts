/** The relay's part of the configuration as the engine's options. */
import { LOG_RECORDS } from '../../../proxy/log.js';
import {
  type CongestionNames,
  ENGINE_OPTIONS,
  type EngineOptions,
  type RelayOptions,
} from '../../../proxy/options.js';
import type { Upstream } from '../../../proxy/upstreams.js';
import type { Config, ServerConfig } from '../../config/config.js';
import { relayGuard } from '../../policy/relay-guard.js';
import { compileRoutes } from '../../policy/routes.js';
import { attached } from './attached.js';
import { probeTarget } from './probe-request.js';
import { readAheadBudget } from './read-ahead.js';

/** What the file leaves open stays open. */
export function relayOptions(
  config: Config,
  { port, capture }: ServerConfig,
  upstreams: readonly Upstream[],
  congestion: CongestionNames = {},
): RelayOptions {
  const { relay } = config;
  const { probe, accessLog } = relay;
  return {
    readAheadBudgetMib: readAheadBudget() ?? 0,
    ...engineOptions('', relay),
    // No setting: `sidetrack bench` asks in its lab what splicing is worth.
    ...(process.env.SIDETRACK_RELAY_SPLICE === '0' && { splice: 0 }),
    ...(probe !== undefined && {
      ...engineOptions('probe', probe),
      probeTargets: probe.targets.map((target) => probeTarget(target, probe.answer)),
    }),
    port,
    capture,
    upstreams,
    congestion,
    logRecords: accessLog === undefined ? 0 : LOG_RECORDS,
    routing: compileRoutes(config),
    guard: relayGuard(config, attached()),
  };
}

/** Those values of a section that the engine has an option for. */
function engineOptions(section: string, values: object): EngineOptions {
  const options = Object.entries(values).flatMap(([key, value]) => {
    const option = engineOption(
      section === '' ? key : `${section}${key[0]!.toUpperCase()}${key.slice(1)}`,
    );
    return option === undefined ? [] : [[option.name, scaled(value, option.factor)]];
  });
  return Object.fromEntries(options);
}

/** Seconds of the file are milliseconds or seconds of the engine; any other name is the same there. */
function engineOption(name: string): { name: string; factor: number } | undefined {
  const base = name.replace(/Seconds$/, '');
  const candidates =
    base === name
      ? [{ name, factor: 1 }]
      : [
          { name: `${base}Ms`, factor: 1000 },
          { name: `${base}S`, factor: 1 },
        ];
  return candidates.find((one) => ENGINE_OPTIONS.has(one.name));
}

const scaled = (value: unknown, factor: number): unknown =>
  typeof value === 'number' ? value * factor : value;
