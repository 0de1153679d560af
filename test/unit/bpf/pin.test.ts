/** The directory of pins, in an ordinary file system: what is a directory of names there, and what goes when. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PinDirectory } from '../../../bpf/pin.js';

let parent: string;
let pins: PinDirectory;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sidetrack-pins-'));
  pins = new PinDirectory(join(parent, 'sidetrack'));
  for (const one of ['interfaces', 'xdp']) mkdirSync(join(pins.path, one), { recursive: true });
});
afterEach(() => rmSync(parent, { recursive: true }));

it('is not made where there is no BPF file system, and the hint names its place', () => {
  const elsewhere = new PinDirectory(join(parent, 'other'));
  expect(() => elsewhere.create()).toThrow(`${parent} is no BPF file system`);
  expect(elsewhere.exists).toBe(false);
  expect(() => elsewhere.requireFileSystem()).toThrow(
    expect.objectContaining({ hint: expect.stringContaining(`mount -t bpf bpf ${parent}`) }),
  );
});

describe('names of interfaces', () => {
  /** What the kernel allows: no slash, no white space, not all of it a dot or two. */
  const names = fc
    .string({ unit: fc.constantFrom('a', '.', '%', '%2e', '%25', ':'), minLength: 1, maxLength: 5 })
    .filter((name) => name !== '.' && name !== '..');

  it('come back as they were, and hold no dot, which the BPF file system reserves', () => {
    fc.assert(
      fc.property(fc.uniqueArray(names, { maxLength: 5 }), (some) => {
        for (const name of some) pins.addInterface(name);
        expect(pins.interfaces()).toEqual([...some].sort());
        expect(readdirSync(join(pins.path, 'interfaces')).join()).not.toContain('.');
        for (const name of some) pins.removeInterface(name);
        expect(pins.interfaces()).toEqual([]);
      }),
    );
  });

  it('of devices with the XDP program are kept apart', () => {
    pins.addDevice('eth0.7');
    expect(pins.devices()).toEqual(['eth0.7']);
    expect(pins.interfaces()).toEqual([]);
    pins.removeDevice('eth0.7');
    pins.removeDevice('eth0.7');
    expect(pins.devices()).toEqual([]);
  });
});

it('knows which qdiscs are ours, and forgets them with their interface', () => {
  pins.addInterface('lan2');
  pins.addQdisc('br-lan');
  expect([pins.hasQdisc('br-lan'), pins.hasQdisc('lan2')]).toEqual([true, false]);
  pins.removeQdisc('br-lan');
  expect(pins.hasQdisc('br-lan')).toBe(false);
  expect(pins.interfaces()).toEqual(['br-lan', 'lan2']);
  pins.addQdisc('br-lan');
  pins.removeInterface('br-lan');
  expect(pins.interfaces()).toEqual(['lan2']);
});

it('what the program set in force was made from is its values, and none while that changes', () => {
  pins.writeMetadata('way', ['br-lan=02:00:00:00:00:09=lan0.7']);
  pins.writeMetadata('way', ['b', 'a.c']);
  expect(pins.readMetadata('way')).toEqual(['a.c', 'b']);
  expect(pins.readMetadata('policy')).toEqual([]);
  pins.writeMetadata('way', []);
  expect(pins.readMetadata('way')).toEqual([]);
});

describe('the next program set', () => {
  const pinned = (name: string) => writeFileSync(join(pins.path, name), '');

  it('replaces the one in force by a rename', () => {
    pinned('program');
    pinned('program_next');
    pins.commitNext('program');
    expect([pins.has('program'), pins.has('program_next')]).toEqual([true, false]);
  });

  it('goes without the one in force when its attach was killed', () => {
    for (const name of ['program', 'program_next', 'rule_names_next']) pinned(name);
    pins.discardAllNext();
    expect(readdirSync(pins.path).sort()).toEqual(['interfaces', 'program', 'xdp']);
  });
});

it('goes as a whole, but never while an interface is left', () => {
  writeFileSync(join(pins.path, 'flows_v4'), '');
  pins.writeMetadata('way', ['br-lan=02:00:00:00:00:09=lan1']);
  pins.addInterface('lan2');
  expect(() => pins.remove()).toThrow('ENOTEMPTY');
  expect(pins.interfaces()).toEqual(['lan2']);
  pins.removeInterface('lan2');
  for (const one of ['interfaces', 'xdp']) mkdirSync(join(pins.path, one), { recursive: true });
  pins.remove();
  expect(existsSync(pins.path)).toBe(false);
  pins.remove();
});
