/** Clients by name, with their totals and their last minute. */
import { fillText, fillWays, fillWord } from './cells.js';
import {
  type Device,
  type DeviceSort,
  isDeviceSort,
  isRest,
  nameOf,
  sortDevices,
} from './devices.js';
import { byId, el, setAttribute, setText } from './dom.js';
import { formatBytes, formatCount, formatRate } from './format.js';
import type { Model, View } from './model.js';
import { fillSparkline } from './sparkline.js';
import { createTable } from './table.js';

/** The busiest; all of them by a button. */
const SHOWN_FIRST = 20;

/** @param choose shows the connections of one address. */
export function devicesView(choose: (address: string) => void): View {
  const room = byId('devices-table', HTMLElement);
  let model: Model | undefined;
  let by: DeviceSort = 'now';
  let isWhole = false;
  const table = createTable<Device & { trace: readonly number[] }>(room, {
    caption: 'Devices that use the relay',
    keyOf: ({ client }) => client.address,
    onSort(word) {
      if (isDeviceSort(word)) by = word;
      show();
    },
    columns: [
      {
        title: 'Device',
        sort: 'name',
        ascending: true,
        isName: true,
        fill: (cell, device) => fillDevice(cell, device, choose),
      },
      {
        title: 'Open',
        sort: 'open',
        numeric: true,
        roomy: true,
        fill: (cell, { client }) => fillText(cell, formatCount(client.active)),
      },
      {
        title: 'Now',
        hint: 'download, upload',
        sort: 'now',
        numeric: true,
        fill: (cell, { rates }) =>
          fillWays(cell, formatRate(rates?.upload), formatRate(rates?.download)),
      },
      {
        title: 'Total',
        hint: 'download, upload',
        sort: 'total',
        numeric: true,
        fill: (cell, { client }) =>
          fillWays(cell, formatBytes(client.bytes.upload), formatBytes(client.bytes.download)),
      },
      {
        title: 'Since the start',
        hint: 'connections',
        numeric: true,
        wide: true,
        fill: (cell, { client }) => fillText(cell, formatCount(client.connections)),
      },
      { title: 'Last minute', wide: true, fill: (cell, { trace }) => fillSparkline(cell, trace) },
    ],
  });
  const more = el('button', { type: 'button', hidden: true });
  room.after(more);
  more.addEventListener('click', () => {
    isWhole = !isWhole;
    show();
  });
  const show = () => {
    const clients = model?.state?.clients;
    if (model === undefined) return;
    const all = sortDevices(clients ?? [], model.rates, by);
    const shown = isWhole ? all : all.slice(0, SHOWN_FIRST);
    table.show(
      shown.map((device) => ({ ...device, trace: model?.trace(device.client.address) ?? [] })),
      by,
    );
    more.hidden = all.length <= SHOWN_FIRST;
    setText(more, isWhole ? `Show ${SHOWN_FIRST}` : `Show all ${formatCount(all.length)}`);
    table.say(clients === undefined ? NOT_SHOWN : clients.length === 0 ? 'No device yet.' : '');
  };
  return {
    update(next) {
      model = next;
      show();
    },
  };
}

export const NOT_SHOWN =
  'Who talks to whom is shown with a token, or to all with “relay: { metrics: { connections: true } }” in the configuration. On the server: sudo sidetrack connections.';

function fillDevice(
  cell: HTMLElement,
  { client }: Device,
  choose: (address: string) => void,
): void {
  if (cell.childElementCount === 0) {
    const button = el('button', { type: 'button', class: 'link' });
    // The address of this row, for as long as the row lives.
    button.addEventListener('click', () => choose(client.address));
    cell.append(button, el('span', { class: 'muted address' }));
  }
  const [button, address] = [cell.children[0]!, cell.children[1]!];
  setText(button, nameOf(client));
  if (button instanceof HTMLButtonElement) button.disabled = isRest(client);
  setAttribute(button, 'aria-label', `Connections of ${nameOf(client)}`);
  fillWord(address instanceof HTMLElement ? address : cell, client.name ? client.address : '');
}
