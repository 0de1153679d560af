/** The live page: one stream of states, shown by the views below. */
import type { State } from '../state.js';
import { Access } from './access.js';
import { isHistory } from './answers.js';
import { browserChannel } from './channel.js';
import { chartsView } from './charts-view.js';
import { connectionsView } from './connections-view.js';
import { devicesView } from './devices-view.js';
import { askForToken, showKeys } from './dialog.js';
import { byId, setAttribute, setText } from './dom.js';
import { healthView } from './health-view.js';
import { hostsView } from './hosts-view.js';
import { startKeys } from './keys.js';
import { Model, type View } from './model.js';
import { startNews } from './news.js';
import { rulesView } from './rules-view.js';
import { serversView } from './servers-view.js';
import { shareStream } from './share.js';
import { openStream } from './stream.js';
import { startTheme } from './theme.js';
import { topologyView } from './topology-view.js';
import { upstreamsView } from './upstreams-view.js';

/** A page that nobody looks at takes nothing from the server after so long. */
const HIDDEN_MS = 60_000;

const access = new Access();
const model = new Model();
const announcer = byId('announcer', HTMLElement);
const announce = (text: string) => setText(announcer, text);
const news = startNews(announce);

const connections = connectionsView(access, announce);
const charts = chartsView();
const views: readonly View[] = [
  healthView(announce),
  topologyView(),
  charts,
  serversView(),
  upstreamsView(),
  devicesView((address) => connections.chooseClient(address)),
  connections,
  rulesView(),
  hostsView(),
];

let isPaused = false;
let frame = 0;

/** Once a frame at most, and not while nobody could see it. */
function render(): void {
  if (frame !== 0 || isPaused || document.hidden) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    if (model.state !== undefined)
      document.body.dataset.relay = String(model.state.relay !== undefined);
    for (const view of views) view.update(model);
  });
}

let release: string | undefined;

function take(state: State): void {
  news.came();
  // The relay was upgraded: this page is of the one before.
  if (release !== undefined && state.relay !== undefined && state.relay.release !== release)
    location.reload();
  release ??= state.relay?.release;
  if (model.take(state)) render();
  if (wantsHistory && state.relay !== undefined) void loadHistory();
}

/** The exporter remembers none, and shows no charts. */
let wantsHistory = true;

async function loadHistory(): Promise<void> {
  wantsHistory = false;
  try {
    const history = await access.json('history.json');
    if (isHistory(history)) model.recording.prepend(history);
    render();
  } catch {
    // The charts begin now, then; the stream says what is wrong.
  }
}

let leave: (() => void) | undefined;
const name = crypto.getRandomValues(new Uint32Array(2)).join('-');

function watch(): void {
  if (leave !== undefined) return;
  wantsHistory = true;
  const channel = browserChannel('sidetrack');
  const stop = shareStream(
    { channel, name, open: (listener) => openStream(access, listener) },
    { onState: take, onLost: (why) => news.lost(why) },
  );
  leave = () => {
    stop();
    channel?.close();
    leave = undefined;
  };
}

let hiding = 0;

document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      leave?.();
      model.forget();
    }, HIDDEN_MS);
    return;
  }
  watch();
  render();
});
addEventListener('pagehide', () => leave?.());
addEventListener('pageshow', () => watch());

const tokenButton = byId('token', HTMLButtonElement);
/** Who has said no is not asked again and again, and who is typing not a second time. */
let hasAsked = false;
function askToken(): void {
  hasAsked = true;
  askForToken(async (token) => {
    await access.enter(token);
    hasAsked = false;
    news.needsToken = false;
  });
}
tokenButton.addEventListener('click', askToken);
access.onNeeded = () => {
  news.needsToken = true;
  if (!hasAsked) askToken();
};

const pauseButton = byId('pause', HTMLButtonElement);
function togglePause(): void {
  isPaused = !isPaused;
  news.isPaused = isPaused;
  setAttribute(pauseButton, 'aria-pressed', String(isPaused));
  setText(pauseButton, isPaused ? 'Go on' : 'Pause');
  render();
}
pauseButton.addEventListener('click', togglePause);
byId('help', HTMLButtonElement).addEventListener('click', showKeys);

const nextTheme = startTheme(() => charts.redraw());
startKeys({
  '/': () => connections.focusSearch(),
  p: togglePause,
  t: nextTheme,
  '?': showKeys,
});
watch();
