/** `sidetrack top` on a terminal: looks at the relay once a second, draws, and does what keys say. */
import { performance } from 'node:perf_hooks';
import { printable } from '../../config/diagnostic.js';
import { SidetrackError } from '../../error.js';
import { count } from '../count.js';
import { EXIT_OK } from '../output.js';
import { formatAge } from '../relay/connection-list.js';
import { frame } from './frame.js';
import { pageOf } from './frame-parts.js';
import { type Effect, orderOf, pressed, type Screen, type TopState, VIEWS } from './model.js';
import { nextPicture, type Picture } from './picture.js';
import type { RelaySource } from './relay-source.js';
import { enterScreen, mayColour, type TerminalScreen } from './screen.js';
import type { Listed } from './view.js';

const EVERY_MS = 1000;
/** Of a core, at most: the machine has better things to do. */
const SHARE = 0.1;

/** @returns the exit status. */
export async function watch(source: RelaySource, first: TopState): Promise<number> {
  const session = new Session(source, first);
  return session.run();
}

class Session {
  private picture: Picture | undefined;
  private trouble: { text: string; since: number } | undefined;
  private screen: TerminalScreen | undefined;
  private timer: NodeJS.Timeout | undefined;
  private looking = false;
  private over = false;
  /** By a key of which the terminal has told together with the next one. */
  private justAsked = false;
  private listed: { key: readonly unknown[]; value: Listed } | undefined;
  private finish: (status: number) => void = () => {};
  private fail: (error: unknown) => void = () => {};

  constructor(
    private readonly source: RelaySource,
    private state: TopState,
  ) {}

  /** The screen is left whatever happens, and what happened is told after that. */
  async run(): Promise<number> {
    const [coloured] = await Promise.all([mayColour(), this.look()]);
    const ended = new Promise<number>((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
    process.once('uncaughtException', this.fail).once('unhandledRejection', this.fail);
    try {
      const events = {
        key: (name: string) => this.guarded(() => this.press(name)),
        redraw: () => this.guarded(() => this.draw()),
        end: (status: number) => this.finish(status),
      };
      this.screen = enterScreen(events, coloured);
      this.draw();
      this.lookLater(EVERY_MS);
      return await ended;
    } finally {
      this.screen?.leave();
      this.over = true;
      clearTimeout(this.timer);
      this.source.end();
      process.off('uncaughtException', this.fail).off('unhandledRejection', this.fail);
    }
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  private lookLater(milliseconds: number): void {
    clearTimeout(this.timer);
    if (this.over) return;
    this.timer = setTimeout(() => {
      this.lookAndDraw().catch(this.fail);
    }, milliseconds);
  }

  private async lookAndDraw(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    const before = process.cpuUsage();
    const began = performance.now();
    try {
      if (!this.state.paused) await this.look();
      this.draw();
    } finally {
      this.looking = false;
    }
    const { user, system } = process.cpuUsage(before);
    const cost = (user + system) / 1000;
    this.lookLater(Math.max(Math.max(EVERY_MS, cost / SHARE) - (performance.now() - began), 0));
  }

  /** The first failure ends us, as with any command; a later one is waited out. */
  private async look(): Promise<void> {
    try {
      const list = this.state.view < LISTED;
      const { port, look } = await this.source.look({ list });
      this.picture = nextPicture(port, look, this.picture?.now);
      this.trouble = undefined;
    } catch (error) {
      if (this.picture === undefined || !(error instanceof SidetrackError)) throw error;
      const since = this.trouble?.since ?? Date.now();
      this.trouble = { text: printable(error.message), since };
    }
  }

  private press(typed: string): void {
    const before = this.state;
    // Nobody has read the question yet: it is text that was pasted.
    const key = before.prompt?.kind === 'close' && this.justAsked ? 'escape' : typed;
    const { state, effect } = pressed(before, key, this.shown());
    this.state = state;
    if (state.prompt?.kind === 'close') {
      this.justAsked = true;
      setImmediate(() => {
        this.justAsked = false;
      });
    }
    if (effect !== undefined) this.carryOut(effect);
    this.draw();
    const needsMore = state.view !== before.view || state.paused !== before.paused;
    if (needsMore && !this.looking) this.lookLater(0);
  }

  private carryOut(effect: Effect): void {
    if (effect.kind === 'quit') this.finish(EXIT_OK);
    else if (effect.kind === 'suspend') this.screen?.suspend();
    else if (effect.kind === 'redraw') this.screen?.refresh();
    else this.close(effect.ids).catch(this.fail);
  }

  private async close(ids: readonly number[]): Promise<void> {
    const message = await this.source.close(ids).then(
      (closed) => `closed ${count(closed, 'connection')}${goneWords(ids.length - closed)}`,
      (error: unknown) => {
        if (error instanceof SidetrackError) return `not closed: ${printable(error.message)}`;
        throw error;
      },
    );
    this.state = { ...this.state, message };
    await this.lookAndDraw();
  }

  private shown(): Screen {
    const { ids, filterFor, cells } = this.list();
    const page = pageOf(this.screen!.size());
    const describe = (index: number) => {
      const [id, client, to] = cells(index);
      return `${id}: ${client} to ${to}`;
    };
    return { ids, page, filterFor, describe };
  }

  /** Sorted anew only when something has changed that the order depends on. */
  private list(): Listed {
    const { state, picture } = this;
    const key = [picture, state.view, state.filter.wanted, orderOf(state)];
    if (this.listed?.key.every((one, i) => one === key[i])) return this.listed.value;
    const value = VIEWS[state.view]!.list(picture!, state.filter.wanted, orderOf(state));
    this.listed = { key, value };
    return value;
  }

  private draw(): void {
    const { screen, picture, state, trouble } = this;
    if (screen === undefined || picture === undefined) return;
    const shown = { ...screen.size(), state, picture, listed: this.list() };
    screen.draw(
      frame({ ...shown, ...(trouble !== undefined && { trouble: troubleWords(trouble) }) }),
    );
  }
}

/** Views before this one are made from the list of connections. */
const LISTED = 2;

const goneWords = (gone: number) => (gone > 0 ? `, ${gone} had ended by themselves` : '');

function troubleWords({ text, since }: { text: string; since: number }): string {
  const age = formatAge((Date.now() - since) / 1000);
  return `${text}: for ${age}; waiting for it, the picture is from before; q quits`;
}
