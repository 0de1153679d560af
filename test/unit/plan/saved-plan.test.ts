import { describe, expect, it } from 'vitest';
import { SidetrackError } from '../../../control/error.js';
import {
  formatSavedPlan,
  looksLikePlan,
  PLAN_FORMAT,
  PLAN_VERSION,
  type PlanContent,
  parseSavedPlan,
} from '../../../control/plan/saved-plan.js';
import { assertFresh, type Now, StalePlan } from '../../../control/plan/stale-plan.js';

const STEP = { host: 'router', title: 'one', argv: ['tee', 'x'], stdin: '1\n', undo: [] };
const HOST = {
  name: 'router',
  address: 'local',
  interfaces: { lan: '02:00:00:00:00:01', wan: '02:00:00:00:00:02' },
  live: { 'chain steer': 'a', 'sysctl x': 'b' },
  wanted: { 'sysctl x': 'c' },
};
const PLAN: PlanContent = {
  format: PLAN_FORMAT,
  version: PLAN_VERSION,
  sidetrack: '1.0.0',
  config: { file: '/etc/sidetrack.yaml', parts: { router: 'r', 'set china': 's' } },
  hosts: [HOST],
  differences: [],
  steps: [STEP],
};
const NOW: Now = { config: PLAN.config.parts, hosts: [HOST], steps: [STEP] };

function refusal(work: () => unknown): SidetrackError {
  try {
    work();
  } catch (error) {
    if (error instanceof SidetrackError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
const code = (work: () => unknown) => refusal(work).code;

describe('a saved plan', () => {
  const text = formatSavedPlan(PLAN);

  it('is read back as it was written', () => {
    expect(parseSavedPlan('p', text, '1.0.0')).toMatchObject(PLAN);
    expect(looksLikePlan(text)).toBe(true);
    expect(looksLikePlan('{"version": 1}')).toBe(false);
  });

  it('that is cut off, or of which one character is another, is damaged', () => {
    for (const at of [0, 1, text.length >> 1, text.length - 3])
      expect(code(() => parseSavedPlan('p', text.slice(0, at), '1.0.0'))).toBe('plan-damaged');
    expect(code(() => parseSavedPlan('p', text.replace('1\\n', '2\\n'), '1.0.0'))).toBe(
      'plan-damaged',
    );
  });

  it('of another version, of the file or of the program, is refused', () => {
    const other = text.replace('"version": 1', '"version": 2');
    expect(code(() => parseSavedPlan('p', other, '1.0.0'))).toBe('plan-version');
    expect(refusal(() => parseSavedPlan('p', text, '1.1.0')).message).toBe(
      'p is of sidetrack 1.0.0, and this is 1.1.0',
    );
  });
});

describe('what has moved since is named:', () => {
  const moved = (now: Partial<Now>) => {
    const error = refusal(() => assertFresh('p', PLAN, { ...NOW, ...now }));
    if (!(error instanceof StalePlan)) throw error;
    return error.moved;
  };
  const host = (overrides: Partial<Now['hosts'][number]>) => [{ ...HOST, ...overrides }];

  it('nothing', () => {
    expect(() => assertFresh('p', PLAN, NOW)).not.toThrow();
  });

  it('the configuration', () => {
    expect(moved({ config: { router: 'r', 'set china': 'other', rules: 'new' } })).toEqual([
      { kind: 'configuration', name: 'set china', action: 'changed' },
      { kind: 'configuration', name: 'rules', action: 'added' },
    ]);
  });

  it('what is there', () => {
    expect(
      moved({ hosts: host({ live: { 'chain steer': 'x', 'rule -4 priority 9': 'n' } }) }),
    ).toEqual([
      { host: 'router', kind: 'chain', name: 'steer', action: 'changed' },
      { host: 'router', kind: 'sysctl', name: 'x', action: 'removed' },
      { host: 'router', kind: 'rule', name: '-4 priority 9', action: 'added' },
    ]);
  });

  it('what is to be', () => {
    expect(moved({ hosts: host({ wanted: { 'sysctl x': 'd' } }) })).toEqual([
      { host: 'router', kind: 'sysctl', name: 'x', action: 'changed' },
    ]);
  });

  it('a step', () => {
    expect(moved({ steps: [{ ...STEP, stdin: '2\n' }] })).toEqual([
      { host: 'router', kind: 'step', name: 'one', action: 'changed' },
    ]);
  });

  it('but not how it would be undone', () => {
    const undo = [{ argv: ['nft'], stdin: 'counters' }];
    expect(() => assertFresh('p', PLAN, { ...NOW, steps: [{ ...STEP, undo }] })).not.toThrow();
  });

  it('the machine', () => {
    const now = (hosts: Now['hosts']) => code(() => assertFresh('p', PLAN, { ...NOW, hosts }));
    expect(now(host({ interfaces: { lan: '02:00:00:00:00:09' } }))).toBe('plan-other-host');
    expect(now(host({ address: 'netns://router' }))).toBe('plan-other-host');
    expect(now([])).toBe('plan-other-host');
    // A card that was changed makes no other machine.
    const changed = { ...HOST.interfaces, lan: '02:00:00:00:00:09' };
    expect(() =>
      assertFresh('p', PLAN, { ...NOW, hosts: host({ interfaces: changed }) }),
    ).not.toThrow();
  });

  it('that it was applied already', () => {
    expect(code(() => assertFresh('p', PLAN, { ...NOW, steps: [] }))).toBe('plan-applied');
  });
});
