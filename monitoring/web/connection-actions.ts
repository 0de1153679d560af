/** Why a connection came here, and ending connections: one, or all that a filter lets through. */
import type { ConnectionItem } from '../connection-page.js';
import type { Access } from './access.js';
import { isClosed, isConnectionPage, isWhy } from './answers.js';
import { closeRequestOf, connectionStanding, pathOf } from './connections.js';
import { openDialog } from './dialog.js';
import { el } from './dom.js';
import type { ConnectionFilter } from './filter.js';
import { formatBytes, formatSeconds, oneLine, plural, UNKNOWN } from './format.js';

const titleOf = ({ client, originalDestination }: ConnectionItem) =>
  `${oneLine(client, 60)} → ${oneLine(originalDestination, 60)}`;

export async function showWhy(access: Access, one: ConnectionItem): Promise<void> {
  let text: string;
  let where: string | undefined;
  try {
    const answer = await access.json(`why.json?id=${one.id}`);
    if (!isWhy(answer)) throw new Error('the answer is of another version: load the page anew');
    text = oneLine(answer.text, 400);
    where = answer.at;
  } catch (error) {
    text = error instanceof Error ? error.message : String(error);
  }
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Rule', where && oneLine(where, 80)],
    ['Route of the relay', one.route && oneLine(one.route, 80)],
    ['Upstream', one.upstream && oneLine(one.upstream, 80)],
    ['State', connectionStanding(one).word],
    ['Moved by', movedBy(one)],
    ['Round trips', roundTrips(one)],
    ['Time to connect', one.connectTime === undefined ? undefined : formatSeconds(one.connectTime)],
    ['First byte', one.firstByteTime === undefined ? undefined : formatSeconds(one.firstByteTime)],
    ['Sent again', sentAgain(one)],
    ['Bytes', `${formatBytes(one.download.bytes)} down, ${formatBytes(one.upload.bytes)} up`],
  ];
  openDialog(
    'Why this rule',
    [
      el('p', {}, el('strong', {}, titleOf(one))),
      el('p', {}, text),
      el(
        'dl',
        { class: 'facts' },
        ...facts.flatMap(([name, value]) =>
          value === undefined ? [] : [el('dt', {}, name), el('dd', {}, value)],
        ),
      ),
    ],
    [{ label: 'Close' }],
  );
}

function movedBy({ upload, download }: ConnectionItem): string | undefined {
  if (upload.mode === undefined && download.mode === undefined) return undefined;
  return `${oneLine(download.mode ?? UNKNOWN, 20)} down, ${oneLine(upload.mode ?? UNKNOWN, 20)} up`;
}

function roundTrips({ rtt }: ConnectionItem): string | undefined {
  if (rtt.client === undefined && rtt.upstream === undefined) return undefined;
  return `client ${formatSeconds(rtt.client)}, upstream ${formatSeconds(rtt.upstream)}`;
}

const sentAgain = ({ retransmits }: ConnectionItem) =>
  retransmits && `client ${retransmits.client}, upstream ${retransmits.upstream} segments`;

async function close(access: Access, body: object, done: (count: number) => void): Promise<void> {
  const answer = await access.post('connections/close', body);
  if (!isClosed(answer)) throw new Error('the answer is of another version: load the page anew');
  done(answer.closed.length);
}

const RESET = 'Both ends get a reset.';

export function askToClose(
  access: Access,
  one: ConnectionItem,
  done: (count: number) => void,
): void {
  openDialog(
    'Close 1 connection?',
    [el('p', {}, el('strong', {}, titleOf(one))), el('p', {}, RESET)],
    [
      {
        label: 'Close it',
        isDangerous: true,
        act: () => close(access, { ids: [one.id] }, done),
      },
      { label: 'Keep it' },
    ],
  );
}

/** Asks the server how many there are now, and says so before anything happens. */
export async function askToCloseFiltered(
  access: Access,
  filter: ConnectionFilter,
  done: (count: number) => void,
): Promise<void> {
  const path = pathOf({ filter, state: 'open', sort: 'age', limit: 1, offset: 0 });
  const page = await access.json(path);
  if (!isConnectionPage(page))
    throw new Error('the answer is of another version: load the page anew');
  const count = plural(page.matching, 'connection');
  const words = Object.entries(filter).map(([name, value]) =>
    name === 'q' ? `“${oneLine(value, 60)}”` : `${name} = ${oneLine(value, 60)}`,
  );
  openDialog(
    page.matching === 0 ? 'Nothing to close' : `Close ${count}?`,
    [
      el(
        'p',
        {},
        words.length === 0 ? 'All that are open.' : `All open ones with ${words.join(' and ')}.`,
      ),
      el(
        'p',
        {},
        page.matching === 0
          ? 'None is open now.'
          : `${RESET} Those that open meanwhile are closed, too.`,
      ),
    ],
    page.matching === 0
      ? [{ label: 'Go back' }]
      : [
          {
            label: `Close ${count}`,
            isDangerous: true,
            act: () => close(access, closeRequestOf(filter), done),
          },
          { label: 'Keep them' },
        ],
  );
}
