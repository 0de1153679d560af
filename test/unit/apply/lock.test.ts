import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withLock } from '../../../control/apply/lock.js';
import type { Host } from '../../../control/hosts/host.js';
import { localHost } from '../../../control/hosts/local.js';

const ROUNDS = 15;

describe('the lock of a host', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'sidetrack-lock-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('lets one in at a time, and tells the others nothing but that', async () => {
    const host: Host = { ...localHost(), stateDir: join(directory, 'state') };
    let inside = 0;
    const together: number[] = [];
    const codes = new Set<string>();
    const contender = async () => {
      for (let round = 0; round < ROUNDS; round++)
        await withLock(host, async () => {
          together.push(++inside);
          await setTimeout(1);
          inside--;
        }).catch((error: { code: string }) => codes.add(error.code));
    };
    await Promise.all([contender(), contender(), contender()]);
    expect(Math.max(...together)).toBe(1);
    expect([...codes].filter((code) => code !== 'host-locked')).toEqual([]);
  });
});
