/** Metrics by client: never more labels than were asked for. */
import type { Registry } from 'prom-client';
import { type ClientStats, OTHER_CLIENTS } from '../proxy/clients.js';
import { DIRECTION } from './metrics/definition.js';
import { registerMetrics } from './register.js';

const COUNTS = ['connections', 'uploadBytes', 'downloadBytes'] as const;
type Counts = Readonly<Record<(typeof COUNTS)[number], number>>;

/** What one label shows. */
export type LabelledClient = Counts & { readonly client: string };

interface Holder {
  readonly lastSeen: Date;
  readonly active: number;
  /** What was shown of it under `other` before it got the label. */
  readonly before: Counts;
  /** What the label shows. */
  readonly shown: Counts;
}

const NOTHING: Counts = { connections: 0, uploadBytes: 0, downloadBytes: 0 };

const combined = (a: Counts, b: Counts, sign: 1 | -1): Counts => ({
  connections: a.connections + sign * b.connections,
  uploadBytes: a.uploadBytes + sign * b.uploadBytes,
  downloadBytes: a.downloadBytes + sign * b.downloadBytes,
});
const plus = (a: Counts, b: Counts) => combined(a, b, 1);
const minus = (a: Counts, b: Counts) => combined(a, b, -1);
/** The engine had forgotten the client, and it has come back. */
const isLess = (now: Counts, before: Counts) => COUNTS.some((key) => now[key] < before[key]);
const bytesOf = ({ uploadBytes, downloadBytes }: Counts) => uploadBytes + downloadBytes;

/**
 * Which clients have a label of their own. One that has it keeps it; only when all are taken, a client
 * with open connections gets that of one without, the one seen longest ago. All that no label shows is
 * under `other`: the sum over all labels is that of all clients, and no counter goes back, but that a
 * label may be gone for a scrape.
 */
export class ClientLabels {
  #holders = new Map<string, Holder>();
  /** What was shown under `other`, of those that the engine still knows. */
  #unlabelled = new Map<string, Counts>();

  /** @param most labels beside `other`. */
  constructor(private readonly most: number) {}

  /** @param clients all that there are, `other` included. */
  show(clients: readonly ClientStats[]): LabelledClient[] {
    const known = new Map(clients.map((one) => [one.address, one]));
    known.delete(OTHER_CLIENTS);
    const lost = this.#follow(known);
    for (const one of newcomers(known, this.#holders)) if (!lost.has(one.address)) this.#label(one);
    const unlabelled = [...known].filter(([address]) => !this.#holders.has(address));
    this.#unlabelled = new Map(unlabelled);
    const labelled = Array.from(this.#holders, ([client, { shown }]) => ({ client, ...shown }));
    const total = clients.reduce(plus, NOTHING);
    return [
      ...labelled,
      { client: OTHER_CLIENTS, ...minus(total, labelled.reduce(plus, NOTHING)) },
    ];
  }

  /** @returns those whose label is gone: their counters have begun anew, or will. */
  #follow(known: ReadonlyMap<string, ClientStats>): ReadonlySet<string> {
    const lost = new Set<string>();
    for (const [address, { before, shown }] of this.#holders) {
      const now = known.get(address);
      if (now === undefined || isLess(now, plus(before, shown))) {
        this.#holders.delete(address);
        lost.add(address);
      } else this.#hold(now, before);
    }
    return lost;
  }

  #label(client: ClientStats): void {
    if (this.#holders.size >= this.most && !this.#makeRoomFor(client)) return;
    const before = this.#unlabelled.get(client.address);
    this.#hold(client, before === undefined || isLess(client, before) ? NOTHING : before);
  }

  #hold(client: ClientStats, before: Counts): void {
    const { lastSeen, active } = client;
    this.#holders.set(client.address, { lastSeen, active, before, shown: minus(client, before) });
  }

  #makeRoomFor({ active }: ClientStats): boolean {
    if (active === 0) return false;
    const idle = [...this.#holders].filter(([, holder]) => holder.active === 0);
    const [oldest] = idle.sort(([, a], [, b]) => a.lastSeen.getTime() - b.lastSeen.getTime());
    return oldest !== undefined && this.#holders.delete(oldest[0]);
  }
}

/** The busiest first. */
function newcomers(
  known: ReadonlyMap<string, ClientStats>,
  holders: ReadonlyMap<string, Holder>,
): ClientStats[] {
  const all = [...known.values()].filter(({ address }) => !holders.has(address));
  return all.sort((a, b) => bytesOf(b) - bytesOf(a));
}

const clientSamples = {
  relayClientConnections: (clients: readonly LabelledClient[]) =>
    clients.map(({ client, connections }) => ({ labels: { client }, value: connections })),
  relayClientBytes: (clients: readonly LabelledClient[]) =>
    clients.flatMap((one) =>
      DIRECTION.map((direction) => ({
        labels: { client: one.client, direction },
        value: one[`${direction}Bytes`],
      })),
    ),
};
export type ClientKey = keyof typeof clientSamples;

/** @param most labels by client; none, and there is no metric by client at all. */
export function registerClients(
  registry: Registry,
  clients: () => readonly ClientStats[],
  most: number,
): void {
  if (most === 0) return;
  const labels = new ClientLabels(most);
  registerMetrics<ClientKey, readonly LabelledClient[]>(registry, clientSamples, () =>
    labels.show(clients()),
  );
}
