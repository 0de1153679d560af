/** Where XDP sends to, as far as no device has to be asked. */
import { describe, expect, it } from 'vitest';
import { findExits } from '../../../bpf/port.js';

const target = (mac: string) => ({ redirectInterface: 'br-lan', macs: [mac] });
const find = ({ macs }: { macs: readonly string[] }) =>
  macs.includes('heard') ? { ifindex: 7 } : undefined;

describe('the ways to several servers', () => {
  it('have a gap for each one that was not heard', () => {
    const targets = ['off', 'heard', 'off'].map(target);
    expect(findExits(targets, find)).toEqual([undefined, { ifindex: 7 }, undefined]);
    expect(findExits([], find)).toEqual([]);
  });

  it.each([
    [['off'], 'no port of br-lan has heard the server yet'],
    [['off', 'off'], 'no port of br-lan has heard a server yet'],
  ])('are an error where none was heard: %j', (macs, message) => {
    expect(() => findExits(macs.map(target), find)).toThrow(message);
  });
});
