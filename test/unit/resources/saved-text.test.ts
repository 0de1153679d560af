import { describe, expect, it } from 'vitest';
import { parseAnswers } from '../../../control/command/query.js';
import {
  rememberSteps,
  savedQuery,
  stateUpdateUndo,
} from '../../../control/resources/saved-parts.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';

const HOST = { address: 'local', sidetrack: [], stateDir: '/run/sidetrack', ownsEtc: true };
/** As a version with another order of keys wrote it. */
const TEXT = '{"objects":{},"directories":["/etc/iproute2"],"sysctls":{},"version":1}\n';
const KEPT = '{"version":1,"sysctls":{},"objects":{}}\n';

const is = (stdout: string) => ({ status: 0, stdout, stderr: '' });
const absent = { status: 1, stdout: '', stderr: 'cat: No such file or directory' };

const found = (...results: Parameters<typeof parseAnswers>[2]) =>
  parseAnswers(HOST, { found: savedQuery(HOST) }, results).found;

function undoOf(observed: ReturnType<typeof found>) {
  const wish = routerWish({ sysctls: [{ key: 'net/ipv4/conf/all/send_redirects', value: '0' }] });
  const host = { ...bareRouter(), ...HOST, ...observed };
  const [remember] = rememberSteps(wish, host);
  return [remember!.undo[0]!, stateUpdateUndo(wish, host).step.undo[0]!];
}

describe('the state file of before', () => {
  it('is put back to the byte', () => {
    const observed = found(is(TEXT), absent, is(KEPT), absent);
    expect(observed?.saved.directories).toEqual(['/etc/iproute2']);
    for (const { stdin } of undoOf(observed)) expect(stdin).toBe(TEXT);
  });

  it('is not there after a boot, and goes again: what was kept still stands for it', () => {
    const observed = found(absent, absent, is(KEPT), absent);
    expect(observed).toEqual({ saved: { version: 1, sysctls: {}, objects: {} } });
    for (const { argv } of undoOf(observed)) {
      expect(argv[0]).toBe('rm');
      expect(argv.at(-1)).toBe('/run/sidetrack/state.json');
    }
  });

  it('is looked for where nothing is kept, too', () => {
    expect(found(absent, absent, absent, absent)).toBeUndefined();
  });
});
