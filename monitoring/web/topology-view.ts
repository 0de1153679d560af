/** The places from the clients to the Internet, and what passes on each hop between them. */
import { type Badge, createBadge } from './badge.js';
import { byId, el, Rows, setAttribute, setText, svg } from './dom.js';
import { formatRate } from './format.js';
import type { Model, View } from './model.js';
import type { Place } from './place.js';
import { type Hop, topologyOf } from './topology.js';

interface PlaceRow {
  element: HTMLElement;
  badge: Badge;
  title: HTMLElement;
  details: HTMLElement;
}

interface GroupRow {
  element: HTMLElement;
  places: Rows<Place, PlaceRow>;
  hop: HTMLElement;
  upload: HTMLElement;
  download: HTMLElement;
}

type Group = { places: readonly Place[]; hop?: Hop; number: number };

export function topologyView(): View {
  const list = byId('groups', HTMLOListElement);
  const groups = new Rows<Group, GroupRow>(
    list,
    ({ number }) => String(number),
    createGroup,
    updateGroup,
  );
  return {
    update({ state, rates }: Model) {
      if (state === undefined) return;
      groups.show(topologyOf(state, rates).groups.map((group, number) => ({ ...group, number })));
    },
  };
}

function createGroup(): GroupRow {
  const room = el('ul', { class: 'places' });
  const places = new Rows<Place, PlaceRow>(room, ({ key }) => key, createPlace, updatePlace);
  const upload = el('span', { class: 'upload' });
  const download = el('span', { class: 'download' });
  const hop = el(
    'div',
    { class: 'hop', role: 'group' },
    el('span', { class: 'way' }, arrow('M1 6h9M7 2.500L10.500 6L7 9.500'), upload),
    el('span', { class: 'way' }, arrow('M11 6H2M5 2.500L1.500 6L5 9.500'), download),
  );
  return { element: el('li', { class: 'group' }, room, hop), places, hop, upload, download };
}

/** Up and down are turned with the list on a narrow screen. */
const arrow = (path: string) =>
  svg(
    'svg',
    { viewBox: '0 0 12 12', class: 'arrow', 'aria-hidden': 'true' },
    svg('path', { d: path }),
  );

function updateGroup({ places, hop, upload, download }: GroupRow, group: Group): void {
  places.show(group.places);
  hop.hidden = group.hop === undefined;
  const { upload: up, download: down } = group.hop ?? {};
  setText(upload, formatRate(up));
  setText(download, formatRate(down));
  // Answers go past the router where client and server are neighbours.
  setAttribute(hop, 'data-ways', down === undefined && up !== undefined ? 'up' : 'both');
  const told = [
    up === undefined ? '' : `towards the Internet ${formatRate(up)}`,
    down === undefined ? '' : `towards the clients ${formatRate(down)}`,
  ].filter(Boolean);
  setAttribute(hop, 'aria-label', told.join(', ') || 'not counted here');
  setAttribute(hop, 'data-idle', String((up ?? 0) + (down ?? 0) === 0));
}

function createPlace(): PlaceRow {
  const badge = createBadge();
  const title = el('strong');
  const details = el('span', { class: 'muted' });
  return {
    element: el('li', { class: 'place' }, title, badge.element, details),
    badge,
    title,
    details,
  };
}

function updatePlace({ element, badge, title, details }: PlaceRow, place: Place): void {
  setText(title, place.title);
  badge.show(place);
  setText(details, place.details.join(' · '));
  setAttribute(element, 'data-level', place.level);
  setAttribute(element, 'data-key', place.key);
}
