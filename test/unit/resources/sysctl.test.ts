import { describe, expect, it } from 'vitest';
import { sysctl } from '../../../control/resources/sysctl.js';
import { bareRouter } from '../plan/fixtures.js';

const KEY = 'net/ipv4/conf/br-lan/rp_filter';
const wish = [{ key: KEY, value: '2' }];
const host = (value?: string, original?: string) =>
  bareRouter({
    sysctls: value === undefined ? {} : { [KEY]: value },
    ...(original !== undefined && {
      saved: { version: 1, sysctls: { [KEY]: original }, objects: {} },
    }),
  });

describe('a sysctl', () => {
  it('is set, and undo writes what was found', () => {
    const [change] = sysctl.diff(wish, host('1'));
    expect(sysctl.title(change!)).toBe('set net.ipv4.conf.br-lan.rp_filter to 2 (was 1)');
    expect(sysctl.clears(change!)).toBe(false);
    expect(sysctl.undo(change!, host('1'))).toEqual([
      { argv: ['tee', `/proc/sys/${KEY}`], stdin: '1\n' },
    ]);
  });

  it('that this kernel does not have, or that is right, is left alone', () => {
    expect(sysctl.diff(wish, host())).toEqual([]);
    expect(sysctl.diff(wish, host('2'))).toEqual([]);
  });

  it('that is no longer wanted goes back to its original, last', () => {
    const [change] = sysctl.diff([], host('2', '1'));
    expect(change).toEqual({ key: KEY, value: '1', from: '2', restores: true });
    expect(sysctl.clears(change!)).toBe(true);
    expect(sysctl.remove(host('2', '1'))).toEqual([change]);
    expect(sysctl.undo(change!, host('2', '1'))[0]?.stdin).toBe('2\n');
  });

  it('that has its original back already needs nothing', () => {
    expect(sysctl.remove(host('1', '1'))).toEqual([]);
  });

  const remembered = (observed = host('1')) => sysctl.saves!.before!(wish, observed);

  it('is remembered as found', () => {
    expect(remembered()).toEqual({ sysctls: { [KEY]: '1' } });
  });

  it('of ours is never taken for an original', () => {
    expect(remembered(host('0', '1'))).toBeUndefined();
    const other = { key: 'net/ipv4/ip_forward', value: '1' };
    const observed = host('0', '1');
    const both = { ...observed, sysctls: { ...observed.sysctls, [other.key]: '0' } };
    expect(sysctl.saves!.before!([...wish, other], both)).toEqual({
      sysctls: { [other.key]: '0', [KEY]: '1' },
    });
  });

  it('that is no longer wanted is forgotten behind the last step, not before the first', () => {
    const other = { key: 'net/ipv4/ip_forward', value: '1' };
    const observed = { ...host('2', '1'), sysctls: { [KEY]: '2', [other.key]: '0' } };
    expect(sysctl.saves!.before!([other], observed)?.sysctls).toHaveProperty([KEY]);
    expect(sysctl.saves!.after([other], observed)).toEqual({ sysctls: {} });
  });
});
