/** What each path of the pages answers, for the relay and for the exporter. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { ConnectionPage } from './connection-page.js';
import type { Connections } from './connections.js';
import { type Events, withoutClients } from './events.js';
import { CREDENTIALS_NEEDED, Refused } from './refused.js';
import { checkJson, type Rights, readJson } from './request-guard.js';
import { type History, STATE_VERSION, type State } from './state.js';
import { LIVE_PAGE, RUNBOOK_LIST, type StaticFile } from './static-files.js';
import { type AskWhy, mustSee, ruleFor, whyOf } from './why-page.js';

/** What there is to tell; a page is there when its part is. */
export interface PageSources {
  registry: Registry;
  state?: () => Promise<State>;
  history?: () => History;
  /** @returns why it is not ready to do its work, or undefined. */
  ready?: () => string | undefined;
  connections?: Connections;
  /** What of the configuration steers that connection. */
  why?: AskWhy;
  /** The state as text for a terminal. */
  table?: (state: State) => string;
}

export interface Ask {
  request: IncomingMessage;
  response: ServerResponse;
  rights: Rights;
  /** The same at a later time, for what lasts. */
  rightsNow: () => Rights;
  words: URLSearchParams;
}

export interface Answer {
  status?: number;
  type: string;
  body: string | Buffer;
}

export interface Page {
  method: 'GET' | 'POST';
  /** Whether credentials are not asked for: what it says is no secret. */
  open?: boolean;
  /** One line for the list of pages; absent ones are not listed. */
  about?: string;
  /** @returns undefined when it answers by itself. */
  answer: (ask: Ask) => Promise<Answer | undefined>;
}

const TEXT = 'text/plain; charset=utf-8';
const text = (body: string, status = 200): Answer => ({ type: TEXT, body, status });
const json = (value: object): Answer => ({
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

export function pagesOf(
  sources: PageSources,
  events: Events | undefined,
  files: ReadonlyMap<string, StaticFile>,
): ReadonlyMap<string, Page> {
  const { registry } = sources;
  const healthy: Page = { method: 'GET', open: true, answer: async () => text('ok\n') };
  const pages = new Map<string, Page>([
    [
      '/metrics',
      {
        method: 'GET',
        about: 'for Prometheus',
        answer: async () => ({ type: registry.contentType, body: await registry.metrics() }),
      },
    ],
    ...statePages(sources, events),
    ...connectionPages(sources),
    ...whyPages(sources),
    ['/-/healthy', { ...healthy, about: '"ok" while it runs' }],
    ['/healthz', healthy],
    [
      '/-/ready',
      { method: 'GET', open: true, about: '"ready", or 503', answer: readyPage(sources) },
    ],
    ...[...files].map(([path, { type, body }]): [string, Page] => [
      path,
      {
        method: 'GET',
        open: true,
        ...(path === RUNBOOK_LIST && { about: 'what to do about each alert' }),
        answer: async () => ({ type, body }),
      },
    ]),
  ]);
  const index = indexOf(pages);
  return pages.set('/', { method: 'GET', open: true, answer: frontPage(sources, files, index) });
}

/** What no wrong path can tell apart from a page that is off. */
const indexOf = (pages: ReadonlyMap<string, Page>) =>
  [...pages]
    .flatMap(([path, { about }]) => (about === undefined ? [] : [`  ${path.padEnd(19)}${about}\n`]))
    .join('');

const readyPage =
  ({ ready }: PageSources): Page['answer'] =>
  async ({ rights }) => {
    const reason = ready?.();
    if (reason === undefined) return text('ready\n');
    return text(rights.enters ? `not ready: ${reason}\n` : 'not ready\n', 503);
  };

function statePages({ state, history }: PageSources, events: Events | undefined): [string, Page][] {
  const pages: [string, Page][] = [];
  if (state !== undefined) {
    const answer = async ({ rights }: Ask) => {
      const now = await state();
      return json(rights.sees ? now : withoutClients(now));
    };
    pages.push(['/state.json', { method: 'GET', about: 'all that is known, as JSON', answer }]);
  }
  if (events !== undefined) {
    const answer = async ({ request, response, rightsNow }: Ask) => {
      if (request.method !== 'GET') throw new Refused(405, 'GET', { allow: 'GET' });
      events.listen(response, rightsNow);
      return undefined;
    };
    pages.push(['/events', { method: 'GET', about: 'the same, each second', answer }]);
  }
  if (history !== undefined)
    pages.push([
      '/history.json',
      { method: 'GET', about: 'the last 15 minutes', answer: async () => json(history()) },
    ]);
  return pages;
}

/** Without connections any may be asked about. */
function whyPages({ connections, why }: PageSources): [string, Page][] {
  if (why === undefined) return [];
  const answer = async ({ rights, words }: Ask) =>
    json(
      connections === undefined
        ? await ruleFor(rights, words, why)
        : await whyOf(rights, words, connections, why),
    );
  return [['/why.json', { method: 'GET', answer }]];
}

function connectionPages({ connections }: PageSources): [string, Page][] {
  if (connections === undefined) return [];
  const pages: [string, Page][] = [
    [
      '/connections.json',
      {
        method: 'GET',
        about: 'who is connected to what',
        answer: async ({ rights, words }) => {
          mustSee(rights);
          return json((await connections.page(words)) satisfies ConnectionPage);
        },
      },
    ],
    [
      '/connections',
      {
        method: 'GET',
        answer: async ({ rights }) => {
          mustSee(rights);
          return json({ connections: connections.recent() });
        },
      },
    ],
    [
      '/connections/close',
      {
        method: 'POST',
        answer: async ({ request, rights }) => {
          if (!rights.closes)
            throw new Refused(403, 'this machine closes connections, or a token does');
          checkJson(request);
          const closed = await connections.close(await readJson(request), rights.sees);
          return json({ version: STATE_VERSION, closed });
        },
      },
    ],
  ];
  return pages;
}

function frontPage(
  { state, table }: PageSources,
  files: ReadonlyMap<string, StaticFile>,
  index: string,
): Page['answer'] {
  const page = files.get(LIVE_PAGE);
  return async ({ request, rights }) => {
    // It holds nothing but its own code; what it asks for needs credentials.
    if (page !== undefined && wantsHtml(request)) return page;
    if (!rights.enters) throw new Refused(401, CREDENTIALS_NEEDED);
    if (state === undefined || table === undefined) return text(`sidetrack\n${index}`);
    const now = await state();
    return text(`${table(rights.sees ? now : withoutClients(now))}\n${index}`);
  };
}

const wantsHtml = ({ headers }: IncomingMessage) => /\btext\/html\b/.test(headers.accept ?? '');
