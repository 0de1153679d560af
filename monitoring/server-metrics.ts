/** Metrics of the servers as the router judges them. */
import type { ExporterReading } from './exporter-reading.js';
import type { serverMetrics } from './metrics/hosts.js';
import { metrics } from './metrics.js';
import type { Samplers } from './register.js';
import type { ServerHealthState, ServerStanding } from './state.js';

/** What a server took over it says itself. */
type ServerKey = Exclude<keyof typeof serverMetrics, 'serverCapturedPackets'>;

const FAMILIES = ['ipv4', 'ipv6'] as const;
type Family = (typeof FAMILIES)[number];

const known = ({ router }: ExporterReading): readonly ServerHealthState[] => router?.servers ?? [];

/** A value for each server that has one. */
const byServer =
  (value: (server: ServerHealthState) => number | undefined) => (reading: ExporterReading) =>
    known(reading).flatMap((one) => {
      const found = value(one);
      return found === undefined ? [] : [{ labels: { server: one.server }, value: found }];
    });

interface OfFamily {
  server: string;
  family: Family;
  standing: ServerStanding;
}

const byFamily = (reading: ExporterReading): OfFamily[] =>
  known(reading).flatMap(({ server, families }) =>
    FAMILIES.flatMap((family) => {
      const standing = families[family];
      return standing === undefined ? [] : [{ server, family, standing }];
    }),
  );

/** Words that the table does not have make no series. */
export const serverSamples: Samplers<ServerKey, ExporterReading> = {
  serverState: (reading) =>
    byFamily(reading).flatMap(({ server, family, standing }) =>
      metrics.serverState.labels.state.map((state) => ({
        labels: { server, family, state },
        value: Number(state === standing.state),
      })),
    ),
  serverStateTimestampSeconds: (reading) =>
    byFamily(reading).flatMap(({ server, family, standing: { since } }) =>
      since === undefined ? [] : [{ labels: { server, family }, value: since }],
    ),
  serverReason: (reading) =>
    known(reading).flatMap(({ server, reason: said }) =>
      said === undefined
        ? []
        : metrics.serverReason.labels.reason.map((reason) => ({
            labels: { server, reason },
            value: Number(reason === said),
          })),
    ),
  serverLastHeartbeatSeconds: (reading) =>
    byServer(({ lastHeard }) =>
      lastHeard === undefined ? undefined : Math.max(0, reading.at - lastHeard),
    )(reading),
  serverHeartbeatsIgnored: (reading) =>
    known(reading).flatMap(({ server, ignored }) =>
      metrics.serverHeartbeatsIgnored.labels.reason.flatMap((reason) => {
        const value = ignored[reason];
        return value === undefined ? [] : [{ labels: { server, reason }, value }];
      }),
    ),
  serverDrained: byServer(({ drained }) => Number(drained)),
  serverWeight: byServer(({ weight, drained }) => (drained ? 0 : weight)),
  serverFlows: byServer(({ flows }) => flows),
  serverSteeredPackets: byServer(({ steered }) => steered?.packets),
  serverResets: byServer(({ resets }) => resets),
  serverReturns: byServer(({ returns }) => returns),
};
