/** The machines with what differs on them, and what is left before something runs out. */
import type { HostState, State } from '../state.js';
import { type Badge, createBadge } from './badge.js';
import { byId, el, Rows, setAttribute, setText } from './dom.js';
import { formatAge, formatCount, formatSeconds, formatShare, oneLine } from './format.js';
import type { Model, View } from './model.js';
import { hostStanding } from './place.js';
import { type Resource, resourcesOf } from './resources.js';
import { NOT_READ } from './rules-view.js';

interface HostRow {
  element: HTMLElement;
  title: HTMLElement;
  badge: Badge;
  about: HTMLElement;
  lines: Rows<string, { element: HTMLElement }>;
}

/** Differences and problems of one host that are listed. */
const LINES_MOST = 10;

export function hostsView(): View {
  const list = byId('hosts-list', HTMLUListElement);
  const notice = el('p', { class: 'notice', hidden: true }, NOT_READ);
  list.after(notice);
  const hosts = new Rows<{ host: HostState; at: number }, HostRow>(
    list,
    ({ host }) => host.name,
    createHost,
    updateHost,
  );
  const meters = new Rows<Resource, MeterRow>(
    byId('headroom', HTMLElement),
    ({ name }) => name,
    createMeter,
    updateMeter,
  );
  return {
    update({ state }: Model) {
      if (state === undefined) return;
      hosts.show((state.hosts ?? []).map((host) => ({ host, at: state.at })));
      notice.hidden = state.hosts !== undefined;
      meters.show(resourcesOf(state));
      setText(byId('release', HTMLElement), releaseOf(state));
    },
  };
}

const releaseOf = ({ relay, at }: State) =>
  relay === undefined
    ? ''
    : `sidetrack ${oneLine(relay.release, 40)}, process ${relay.pid}, up for ${formatAge(at - relay.since)}`;

function createHost(): HostRow {
  const badge = createBadge();
  const title = el('strong');
  const about = el('span', { class: 'muted' });
  const room = el('ul', { class: 'lines' });
  const lines = new Rows<string, { element: HTMLElement }>(
    room,
    (text) => text,
    (text) => ({ element: el('li', {}, text) }),
    () => {},
  );
  return {
    element: el('li', { class: 'host' }, title, badge.element, about, room),
    title,
    badge,
    about,
    lines,
  };
}

function updateHost(row: HostRow, { host, at }: { host: HostState; at: number }): void {
  setText(row.title, oneLine(host.name, 60));
  row.badge.show(hostStanding(host));
  const read = host.lastRead === undefined ? '' : `read ${formatAge(at - host.lastRead)} ago`;
  const took = host.readSeconds === undefined ? '' : `in ${formatSeconds(host.readSeconds)}`;
  setText(row.about, [oneLine(host.address, 80), read, took].filter(Boolean).join(' '));
  const lines = [
    ...(host.error === undefined ? [] : [host.error]),
    ...host.problems,
    ...host.differences.map((title) => `to do: ${title}`),
  ].map((line) => oneLine(line, 300));
  const more = lines.length - LINES_MOST;
  row.lines.show(more > 0 ? [...lines.slice(0, LINES_MOST), `and ${more} more`] : lines);
}

interface MeterRow {
  element: HTMLElement;
  name: HTMLElement;
  figure: HTMLElement;
  bar: HTMLElement;
}

function createMeter(): MeterRow {
  const name = el('span');
  const figure = el('span', { class: 'figure' });
  const bar = el('span', { class: 'filled' });
  const element = el(
    'div',
    { class: 'meter' },
    name,
    el('span', { class: 'bar', 'aria-hidden': 'true' }, bar),
    figure,
  );
  return { element, name, figure, bar };
}

function updateMeter({ element, name, figure, bar }: MeterRow, one: Resource): void {
  setText(name, one.name);
  const share = one.limit === undefined ? 0 : Math.min(one.used / one.limit, 1);
  setText(
    figure,
    one.limit === undefined
      ? `${formatCount(one.used)}, no limit`
      : `${formatCount(one.used)} of ${formatCount(one.limit)} (${formatShare(one.used, one.limit)})`,
  );
  // By the object model, which the page's policy allows, unlike an attribute.
  bar.style.width = `${(100 * share).toFixed(1)}%`;
  setAttribute(element, 'data-level', share >= 0.95 ? 'critical' : share >= 0.8 ? 'warning' : 'ok');
}
