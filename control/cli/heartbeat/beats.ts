/**
 * The server's heartbeats: twice a second it is judged, and the router told, for as long as there is a
 * `heartbeat.json`. Nothing here waits for anything: a heartbeat that is late is one that is missing.
 */
import { HEARTBEAT_INTERVAL_MS } from '../../../bpf/server-health.js';
import { type Fitness, fitnessText, sameFitness, unfit } from '../../heartbeat/fitness.js';
import type { HeartbeatFile } from '../../heartbeat/key-file.js';
import { encodeHeartbeat, heartbeatSecrets } from '../../heartbeat/message.js';
import { say } from '../output.js';
import { keptCounter } from './kept-counter.js';
import type { HeartbeatPlace } from './place.js';
import { heartbeatSender } from './sender.js';
import { watchedFile } from './watched-file.js';

/** What judges the server; asked at each heartbeat, and before the first of them more often. */
export interface Judge {
  /** Undefined while too little is known. */
  judge(): Fitness | undefined;
  /** Nobody wants to know: what was begun in order to judge ends. */
  rest(): void;
}

export interface Beats {
  /** What was said last, and since when (Unix time in seconds); undefined where nothing is sent. */
  readonly said: (Fitness & { since: number }) | undefined;
  /**
   * Says so several times at once, and from then on: no new flows; live ones stay.
   * @returns whether there is a router to be told; resolves when it has been.
   */
  leave(): Promise<boolean>;
  /** From now on it is silent. */
  end(): void;
}

/** While nothing is known yet. */
const EAGER_MS = 20;
/** After so long it says that it has just started. */
const STARTING_MS = 500;
/** Each may be lost. */
const LEAVING_AT_MS = [0, 20, 60, 140] as const;

export function startBeats(place: HeartbeatPlace, judge: Judge): Beats {
  const file = watchedFile(place.file);
  const sender = heartbeatSender();
  const counter = keptCounter(place.counter);
  let told: (Fitness & { since: number }) | undefined;
  let leaving = false;
  let timer: NodeJS.Timeout | undefined;
  /** When the file was first seen. */
  let begun: number | undefined;

  const beat = (to: HeartbeatFile, fitness: Fitness) => {
    if (told === undefined || !sameFitness(told, fitness)) {
      say(
        `heartbeat to ${to.to.map(({ address }) => address).join(', ')}: ${fitnessText(fitness)}`,
      );
      told = { ...fitness, since: Date.now() / 1000 };
    }
    const { fit, reason } = fitness;
    const payload = encodeHeartbeat(
      {
        counter: counter(),
        fit4: fit.includes('ipv4'),
        fit6: fit.includes('ipv6'),
        leaving,
        reason,
      },
      heartbeatSecrets(to.key),
    );
    sender.send(to, reason, payload);
  };

  const silence = () => {
    if (begun !== undefined) judge.rest();
    if (told !== undefined) say('no heartbeats any more: there is no file with a key');
    begun = undefined;
    told = undefined;
    sender.close();
  };

  /** @returns milliseconds until the next one. */
  const once = (): number => {
    const to = file();
    if (to === undefined) {
      silence();
      return HEARTBEAT_INTERVAL_MS;
    }
    begun ??= performance.now();
    const fitness = leaving ? unfit('leaving') : judge.judge();
    if (fitness === undefined && performance.now() - begun < STARTING_MS) return EAGER_MS;
    beat(to, fitness ?? unfit('starting'));
    return to.interval_ms;
  };

  const turn = () => {
    const now = performance.now();
    const wait = once();
    timer = setTimeout(turn, Math.max(wait - (performance.now() - now), 1)).unref();
  };
  turn();

  return {
    get said() {
      return told;
    },
    async leave() {
      leaving = true;
      clearTimeout(timer);
      if (file() === undefined) {
        turn();
        return false;
      }
      let before = 0;
      for (const at of LEAVING_AT_MS) {
        await new Promise((resolve) => setTimeout(resolve, at - before));
        before = at;
        const to = file();
        if (to !== undefined) beat(to, unfit('leaving'));
      }
      turn();
      return true;
    },
    end() {
      clearTimeout(timer);
      if (begun !== undefined) judge.rest();
      told = undefined;
      sender.close();
    },
  };
}
