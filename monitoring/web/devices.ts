/** Devices in the order that the reader chose. Pure. */
import type { ClientState } from '../state.js';
import { oneLine } from './format.js';
import type { Rates, Ways } from './rates.js';

export const DEVICE_SORTS = ['now', 'total', 'open', 'name'] as const;
export type DeviceSort = (typeof DEVICE_SORTS)[number];

export interface Device {
  client: ClientState;
  rates: Ways | undefined;
}

export const isDeviceSort = (word: string): word is DeviceSort =>
  DEVICE_SORTS.some((known) => known === word);

const sum = ({ upload, download }: Ways) => upload + download;

/** Of all clients together that have no line of their own. */
export const isRest = ({ address }: ClientState): boolean => address === 'other';

export const nameOf = (client: ClientState): string =>
  isRest(client) ? 'all others' : oneLine(client.name ?? client.address, 60);

/** Largest first; names by the alphabet, those that have none behind them. Equal ones keep by address. */
export function sortDevices(
  clients: readonly ClientState[],
  rates: Rates,
  by: DeviceSort,
): Device[] {
  const compare: Readonly<Record<DeviceSort, (a: Device, b: Device) => number>> = {
    now: (a, b) => (b.rates ? sum(b.rates) : 0) - (a.rates ? sum(a.rates) : 0),
    total: (a, b) => sum(b.client.bytes) - sum(a.client.bytes),
    open: (a, b) => b.client.active - a.client.active,
    name: (a, b) =>
      Number(a.client.name === undefined) - Number(b.client.name === undefined) ||
      nameOf(a.client).localeCompare(nameOf(b.client), undefined, { numeric: true }),
  };
  return clients
    .map((client) => ({ client, rates: rates.clients.get(client.address) }))
    .sort(
      (a, b) =>
        compare[by](a, b) ||
        sum(b.client.bytes) - sum(a.client.bytes) ||
        a.client.address.localeCompare(b.client.address),
    );
}
