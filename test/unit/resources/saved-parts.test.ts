import { describe, expect, it } from 'vitest';
import { isUnsaved, stateUpdate } from '../../../control/resources/saved-parts.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';
import { attached, withClassifier } from './examples.js';

const DIRECTORY = '/run/sidetrack/netns/router';
const stateOf = (update: ReturnType<typeof stateUpdate>) => JSON.parse(update.state.stdin!);

describe('what an apply writes down', () => {
  it('has the specification beside it, and the old one goes', () => {
    const update = stateUpdate(withClassifier(routerWish()), attached(bareRouter()));
    expect(update.added.map(({ path }) => path)).toEqual([`${DIRECTORY}/attachment-new.json`]);
    expect(update.stale).toEqual([`${DIRECTORY}/attachment-old.json`]);
    expect(stateOf(update)).toMatchObject({ version: 1, sysctls: {}, classifier: 'new' });
  });

  it('does not write the same specification again', () => {
    const update = stateUpdate(withClassifier(routerWish(), 'old'), attached(bareRouter()));
    expect(update).toMatchObject({ added: [], stale: [] });
  });

  it('forgets what nothing vouches for any more', () => {
    const update = stateUpdate(routerWish(), attached(bareRouter()));
    expect(update.stale).toEqual([`${DIRECTORY}/attachment-old.json`]);
    expect(stateOf(update)).not.toHaveProperty('classifier');
  });

  it('is missing where an apply was killed behind its last step', () => {
    const wish = withClassifier(routerWish());
    expect(isUnsaved(wish, attached(bareRouter()))).toBe(true);
    expect(isUnsaved(wish, attached(bareRouter(), 'new'))).toBe(false);
    expect(isUnsaved(routerWish(), bareRouter())).toBe(false);
    expect(isUnsaved(routerWish(), attached(bareRouter()))).toBe(true);
  });
});
