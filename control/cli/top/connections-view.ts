/** Views of `sidetrack top` that the list of open connections feeds: connections, clients. Pure. */
import type { ClientState } from '../../../monitoring/state.js';
import { parseAddress } from '../../config/address.js';
import {
  COLUMNS,
  type ColumnName,
  formatBits,
  formatBytes,
  KEYS,
  type RatedConnection,
  select,
} from '../relay/connection-list.js';
import type { Picture } from './picture.js';
import { type Column, defineView } from './view.js';

/** Host of `192.0.2.1:80` or `[2001:db8::1]:80`. */
export function hostOf(endpoint: string): string {
  const end = endpoint.lastIndexOf(':');
  return endpoint.startsWith('[') ? endpoint.slice(1, end - 1) : endpoint.slice(0, end);
}

/** Addresses in the order of numbers, IPv4 first; 12 digits are enough for one, 32 for the other. */
function addressKey(endpoint: string): string {
  const address = parseAddress(hostOf(endpoint)) ?? parseAddress(endpoint);
  if (address === undefined) return `7${endpoint}`;
  const port = /:(\d+)$/.exec(endpoint)?.[1] ?? '';
  const digits = address.toString(16).padStart(typeof address === 'number' ? 8 : 32, '0');
  return `${typeof address === 'number' ? 4 : 6}${digits}:${port.padStart(5, '0')}`;
}

const SORTED: Readonly<Record<ColumnName, Pick<Column<RatedConnection>, 'key' | 'by'>>> = {
  id: { key: 'i', by: (one) => -one.id },
  client: { key: 'c', by: (one) => addressKey(one.client) },
  destination: { key: 'd', by: (one) => addressKey(one.originalDestination) },
  upstream: { key: 'u', by: (one) => one.upstream ?? '' },
  age: { key: 'a', by: KEYS.age },
  up: { key: 'o', by: (one) => one.upload.bytes },
  down: { key: 'n', by: (one) => one.download.bytes },
  upRate: { key: 'U', by: (one) => one.uploadRate },
  downRate: { key: 'D', by: (one) => one.downloadRate },
  mode: { key: 'm', by: COLUMNS.mode.cell },
  rtt: { key: 't', by: (one) => one.rtt.upstream ?? one.rtt.client ?? 0 },
  state: { key: 's', by: COLUMNS.state.cell },
};

const NAMES = Object.keys(COLUMNS) as ColumnName[];

/** Sums of both ways, as `--sort` names them. */
const SUMS: readonly Column<RatedConnection>[] = [
  { title: 'rate', key: 'r', cell: () => '', by: KEYS.rate, hidden: true },
  { title: 'bytes', key: 'b', cell: () => '', by: KEYS.bytes, hidden: true },
];

export const connectionsView = defineView<RatedConnection>({
  name: 'connections',
  columns: [...NAMES.map((name) => ({ ...COLUMNS[name], ...SORTED[name] })), ...SUMS],
  importance: [
    ...['id', 'client', 'destination', 'down/s', 'up/s', 'age', 'state', 'upstream'],
    ...['down', 'up', 'mode', 'rtt ms'],
  ],
  sortedBy: 'rate',
  rows: ({ connections }) => connections,
  id: ({ id }) => String(id),
  text: (one) =>
    `${one.id} ${one.client} ${one.originalDestination} ${one.upstream ?? ''} ${one.route ?? ''} ${COLUMNS.state.cell(one)}`,
  select,
});

interface ClientRow {
  address: string;
  name: string;
  active: number;
  connections: number;
  upload: number;
  download: number;
  uploadRate: number;
  downloadRate: number;
}

const bare = (address: string, { name = '', active, connections, bytes }: ClientState) => ({
  address,
  name,
  active,
  connections,
  upload: bytes.upload,
  download: bytes.download,
  uploadRate: 0,
  downloadRate: 0,
});

/** From the relay's own table, where it has one; open connections say how fast a client is now. */
function clientRows({ now: { state }, connections }: Picture): ClientRow[] {
  const rows = new Map<string, ClientRow>();
  for (const client of state?.clients ?? []) rows.set(client.address, bare(client.address, client));
  const known = new Set(rows.keys());
  for (const one of connections) {
    const address = hostOf(one.client);
    const row = rows.get(address) ?? bare(address, NO_CLIENT);
    rows.set(address, row);
    row.uploadRate += one.uploadRate;
    row.downloadRate += one.downloadRate;
    if (known.has(address)) continue;
    row.active++;
    row.connections++;
    row.upload += one.upload.bytes;
    row.download += one.download.bytes;
  }
  return [...rows.values()];
}

const NO_CLIENT: ClientState = {
  address: '',
  active: 0,
  connections: 0,
  bytes: { upload: 0, download: 0 },
};

export const clientsView = defineView<ClientRow>({
  name: 'clients',
  columns: [
    { title: 'client', key: 'c', cell: (one) => one.address, by: (one) => addressKey(one.address) },
    { title: 'name', key: 'e', cell: (one) => one.name || '-', by: (one) => one.name },
    { title: 'open', key: 'o', cell: (one) => `${one.active}`, by: (one) => one.active },
    { title: 'all', key: 'l', cell: (one) => `${one.connections}`, by: (one) => one.connections },
    { title: 'up', key: 'u', cell: (one) => formatBytes(one.upload), by: (one) => one.upload },
    {
      title: 'down',
      key: 'd',
      cell: (one) => formatBytes(one.download),
      by: (one) => one.download,
    },
    {
      ...{ title: 'up/s', key: 'U' },
      cell: (one) => formatBits(one.uploadRate),
      by: (one) => one.uploadRate,
    },
    {
      ...{ title: 'down/s', key: 'D' },
      cell: (one) => formatBits(one.downloadRate),
      by: (one) => one.downloadRate,
    },
    {
      ...{ title: 'rate', key: 'r', hidden: true },
      cell: () => '',
      by: (one) => one.uploadRate + one.downloadRate,
    },
    {
      ...{ title: 'bytes', key: 'b', hidden: true },
      cell: () => '',
      by: (one) => one.upload + one.download,
    },
  ],
  importance: ['client', 'open', 'down/s', 'up/s', 'name', 'down', 'up', 'all'],
  sortedBy: 'rate',
  rows: clientRows,
  id: ({ address }) => address,
  text: ({ address, name }) => `${address} ${name}`,
  // The sum of those that the relay has no room for is none.
  filterFor: ({ address }) =>
    parseAddress(address) === undefined ? undefined : `client ${address}`,
});
