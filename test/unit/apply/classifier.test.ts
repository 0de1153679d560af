/** What is asked of the eBPF classifier on a host, where it cannot answer. */
import { expect, it } from 'vitest';
import { readCounters } from '../../../control/apply/classifier.js';
import type { Host } from '../../../control/hosts/host.js';

const answering = (code: string) =>
  ({
    address: 'router',
    sidetrack: ['sidetrack'],
    bpfDirectory: '/sys/fs/bpf/sidetrack',
    batch: async () => [
      {
        status: 2,
        stdout: JSON.stringify({ error: { code, source: 'host', message: 'why' } }),
        stderr: '',
      },
    ],
  }) as unknown as Host;

it('has no counters of a program that counted nothing, or was of another version', async () => {
  expect(await readCounters(answering('not-attached'))).toBeUndefined();
  expect(await readCounters(answering('counters-outdated'))).toBeUndefined();
  await expect(readCounters(answering('permission'))).rejects.toMatchObject({ code: 'permission' });
});
