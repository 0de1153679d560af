/** Lists are refreshed where apply runs: what is said where nothing there does it by itself. */
import { expect, it } from 'vitest';
import { refreshAdvice } from '../../../control/cli/lists/timer.js';
import { listAt } from '../lists/list-server.js';

const FILE = '/etc/sidetrack/sidetrack.yaml';
const UNIT = '/usr/lib/systemd/system/sidetrack-refresh.timer';
const ENABLED = '/etc/systemd/system/timers.target.wants/sidetrack-refresh.timer';

async function advice(file: string, ...there: readonly string[]) {
  const cn = { file: 'x', entries: [], list: await listAt('https://example.org/cn.txt') };
  return refreshAdvice({ file, sets: { cn, own: { file: 'own.txt', entries: [] } } }, (path) =>
    there.includes(path),
  );
}

it('names the timer of the package where it is for this configuration, unless it is enabled', async () => {
  expect(await advice(FILE, UNIT)).toBe(
    'This machine refreshes the list cn when it is asked; to have it do so by itself: systemctl enable --now sidetrack-refresh.timer',
  );
  expect(await advice(FILE, UNIT, ENABLED)).toBeUndefined();
});

it('names cron where there is no such timer, or it reads another configuration', async () => {
  expect(await advice(FILE)).toContain(`sidetrack refresh -c ${FILE}`);
  expect(await advice('/root/my.yaml', UNIT, ENABLED)).toContain(
    'a line for cron, as docs/lists.md has it: sidetrack refresh -c /root/my.yaml',
  );
});

it('says nothing where no list is fetched', () => {
  const own = { file: 'own.txt', entries: [] };
  expect(refreshAdvice({ file: FILE, sets: { own } }, () => false)).toBeUndefined();
});
