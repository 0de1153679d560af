import { describe, expect, it } from 'vitest';
import type { HostState, ObservedHost } from '../../../control/plan/state.js';
import { classifier } from '../../../control/resources/classifier.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';
import { attached, withClassifier, withFlows } from './examples.js';

const diff = (state: HostState, observed: ObservedHost) =>
  classifier.diff(classifier.desired(state), observed);
const only = (state: HostState, observed: ObservedHost) => {
  const changes = diff(state, observed);
  expect(changes).toHaveLength(1);
  return changes[0]!;
};
const words = (command: { argv: readonly string[] }) => command.argv.join(' ');
const DIRECTORY = '--directory /sys/fs/bpf/sidetrack-netns-router';
const SAVED = '/run/sidetrack/netns/router/attachment-old.json';

describe('the classifier', () => {
  it('that is as it should be is left alone', () => {
    expect(diff(withClassifier(routerWish(), 'old'), attached(bareRouter()))).toEqual([]);
    expect(diff(routerWish(), bareRouter())).toEqual([]);
  });

  it('is attached, and undo detaches it', () => {
    const change = only(withClassifier(routerWish()), bareRouter());
    expect(classifier.clears(change)).toBe(false);
    expect(words(classifier.apply(change, bareRouter()))).toBe(
      `sidetrack bpf attach ${DIRECTORY} --digest new`,
    );
    expect(classifier.undo(change, bareRouter()).map(words)).toEqual([
      `sidetrack bpf detach ${DIRECTORY}`,
    ]);
  });

  it('is updated, and undo attaches what the last apply left', () => {
    const change = only(withClassifier(routerWish()), attached(bareRouter()));
    expect(classifier.title(change)).toBe(
      'update the eBPF classifier on br-lan (policy); live flows stay',
    );
    const [undo] = classifier.undo(change, attached(bareRouter())).map(words);
    expect(undo).toContain(`${SAVED} sidetrack bpf attach ${DIRECTORY} --digest old`);
  });

  it('takes flows over from nftables, and hands them over again', () => {
    const taking = only(withClassifier(routerWish()), withFlows(bareRouter()));
    expect(words(classifier.apply(taking, bareRouter()))).toContain('--take-over');
    expect(classifier.undo(taking, bareRouter()).map(words)).toEqual([
      `sidetrack bpf detach ${DIRECTORY} --hand-over`,
    ]);
    const sets = [{ name: 'flows4', type: 'ipv4_addr' }];
    const nftables = routerWish({ table: { ...routerWish().table, sets } });
    const giving = only(nftables, attached(bareRouter()));
    expect(classifier.clears(giving)).toBe(true);
    expect(words(classifier.apply(giving, bareRouter()))).toContain('--hand-over');
    expect(classifier.undo(giving, attached(bareRouter())).map(words)).toEqual([
      expect.stringContaining('--digest old --take-over'),
    ]);
  });

  it('is detached by down with its flows, also where only the saved state knows of it', () => {
    const { classifier: _lost, ...remembered } = attached(bareRouter());
    for (const observed of [attached(bareRouter()), remembered as ObservedHost]) {
      const [change] = classifier.remove(observed);
      expect(words(classifier.apply(change!, observed))).toBe(`sidetrack bpf detach ${DIRECTORY}`);
    }
    expect(classifier.remove(bareRouter())).toEqual([]);
  });

  it('is loaded without effect before anything changes, unless it only goes', () => {
    const change = only(withClassifier(routerWish()), bareRouter());
    expect(words(classifier.dryRun!(change, bareRouter())!)).toBe(
      `sidetrack bpf attach ${DIRECTORY} --dry-run --json`,
    );
    const [removal] = classifier.remove(attached(bareRouter()));
    expect(classifier.dryRun!(removal!, bareRouter())).toBeUndefined();
  });
});
