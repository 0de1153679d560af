import { describe, expect, it } from 'vitest';
import { isUnrecorded, recordOf } from '../../../control/resources/memory.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';
import { attached, withClassifier } from './examples.js';

const DIRECTORY = '/run/sidetrack/netns/router';
const stateOf = (record: ReturnType<typeof recordOf>) => JSON.parse(record.state.stdin!);

describe('what an apply writes down', () => {
  it('has the specification beside it, and the old one goes', () => {
    const record = recordOf(withClassifier(routerWish()), attached(bareRouter()));
    expect(record.added.map(({ path }) => path)).toEqual([`${DIRECTORY}/attachment-new.json`]);
    expect(record.stale).toEqual([`${DIRECTORY}/attachment-old.json`]);
    expect(stateOf(record)).toMatchObject({ version: 1, sysctls: {}, classifier: 'new' });
  });

  it('does not write the same specification again', () => {
    const record = recordOf(withClassifier(routerWish(), 'old'), attached(bareRouter()));
    expect(record).toMatchObject({ added: [], stale: [] });
  });

  it('forgets what nothing vouches for any more', () => {
    const record = recordOf(routerWish(), attached(bareRouter()));
    expect(record.stale).toEqual([`${DIRECTORY}/attachment-old.json`]);
    expect(stateOf(record)).not.toHaveProperty('classifier');
  });

  it('is missing where an apply was killed behind its last step', () => {
    const wish = withClassifier(routerWish());
    expect(isUnrecorded(wish, attached(bareRouter()))).toBe(true);
    expect(isUnrecorded(wish, attached(bareRouter(), 'new'))).toBe(false);
    expect(isUnrecorded(routerWish(), bareRouter())).toBe(false);
    expect(isUnrecorded(routerWish(), attached(bareRouter()))).toBe(true);
  });
});
