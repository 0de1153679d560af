/** What a host says of itself reaches a terminal, and a file to be edited, as text and nothing else. */
import { afterEach, expect, it, vi } from 'vitest';
import { progress } from '../../../control/cli/commands/apply.js';
import { planSummary, printPlan } from '../../../control/cli/plan-output.js';
import { ownerText } from '../../../control/plan/change-check.js';
import { parseChange } from '../../../control/plan/change-state.js';
import { hostChanges } from '../../../control/resources/steps.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';

const HOSTILE = '\x1b]0;evil\x07';

afterEach(() => {
  vi.restoreAllMocks();
});

function printed(work: () => void): string {
  const parts: string[] = [];
  const note = (text: unknown) => parts.push(String(text)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(note);
  vi.spyOn(process.stderr, 'write').mockImplementation(note);
  work();
  vi.restoreAllMocks();
  return parts.join('');
}

const KEY = 'net/ipv4/conf/br-lan/send_redirects';
const observed = bareRouter({ sysctls: { [KEY]: `${HOSTILE}\n` } });
const desired = routerWish({ sysctls: [{ key: KEY, value: '0' }] });
const plan = {
  hosts: [{ name: 'router', observed, desired, ...hostChanges(desired, observed) }],
  warnings: [],
};

it('a plan steers no terminal by a value that was found', () => {
  const text = printed(() => {
    printPlan(plan, true);
    for (const line of planSummary(plan)) process.stdout.write(line);
  });
  expect(text).toContain('(was \\x1b]0;evil\\x07\\x0a)');
  expect(text).not.toContain(HOSTILE);
});

it('nor does the progress of a step', () => {
  const [step] = plan.hosts[0]!.steps.filter(({ title }) => title.includes('evil'));
  expect(printed(() => progress({}).onStep!(step!))).not.toContain(HOSTILE);
});

it('nor who is said to have made a change', () => {
  const about = JSON.stringify({ machine: `${HOSTILE}\n`, user: 'alice', pid: 1 });
  const change = parseChange(`phase pending\nabout ${about}\n`)!;
  expect(ownerText(change)).toBe(' by alice on \\x1b]0;evil\\x07\\x0a');
});
