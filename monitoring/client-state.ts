/** The clients' part of `/state.json`. Pure. */
import { type ClientStats, OTHER_CLIENTS } from '../proxy/clients.js';
import type { ClientState } from './state.js';

/** More than these are not told one by one, lest each second be a long document. */
export const CLIENTS_TOLD = 200;

const bytesOf = ({ uploadBytes, downloadBytes }: ClientStats) => uploadBytes + downloadBytes;

/** Those with connections first, then by bytes; the others are summed under `other`, which is the last. */
export function clientStates(clients: readonly ClientStats[], most = CLIENTS_TOLD): ClientState[] {
  const named = clients
    .filter(({ address }) => address !== OTHER_CLIENTS)
    .sort((a, b) => Number(b.active > 0) - Number(a.active > 0) || bytesOf(b) - bytesOf(a));
  const rest = [
    ...named.slice(most),
    ...clients.filter(({ address }) => address === OTHER_CLIENTS),
  ];
  const told = named.slice(0, most).map(stateOf);
  return rest.length === 0 ? told : [...told, rest.map(stateOf).reduce(sum, NOTHING)];
}

const stateOf = (client: ClientStats): ClientState => ({
  address: client.address,
  active: client.active,
  connections: client.connections,
  bytes: { upload: client.uploadBytes, download: client.downloadBytes },
});

const NOTHING: ClientState = {
  address: OTHER_CLIENTS,
  active: 0,
  connections: 0,
  bytes: { upload: 0, download: 0 },
};

const sum = (a: ClientState, b: ClientState): ClientState => ({
  address: OTHER_CLIENTS,
  active: a.active + b.active,
  connections: a.connections + b.connections,
  bytes: {
    upload: a.bytes.upload + b.bytes.upload,
    download: a.bytes.download + b.bytes.download,
  },
});
