/** Our own relay, held to the same proof. It counts what it refuses instead of logging it. */
import { Running } from './launch.js';
import type { Rival } from './program.js';

export const RELAY: Rival = {
  name: 'the relay',
  program: 'relay',
  needs: [],
  families: ['v4', 'v6'],
  start: async (fixture) => [new Running(await fixture.startRelay())],
  report: ({ lab }) => lab.check('server1', ['curl', '-sf', 'http://127.0.0.1:9150/metrics']),
  misled: (_, conntrack) =>
    conntrack
      ? /^sidetrack_relay_rejected_total\{reason="loop"\} [1-9]/m
      : /^sidetrack_relay_rejected_total\{reason="no_original_destination"\} [1-9]/m,
};
