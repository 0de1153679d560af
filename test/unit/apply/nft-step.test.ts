/** A kernel without a module that the tables need. */
import { expect, it } from 'vitest';
import { runNftStep } from '../../../control/apply/nft-step.js';
import type { Command } from '../../../control/command/command.js';
import type { Host } from '../../../control/hosts/host.js';
import { NFT_RUN } from '../../../control/nft/json.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { objectNames, replaceObjects } from '../../../control/nft/transaction.js';

const TABLE = routerTable({
  policy: { rules: [{ name: 'rest', proto: 'tcp', action: 'proxy' }], default: 'direct' },
  interfaces: ['br-lan'],
  routerMacs: ['02:00:00:00:00:01'],
  serverMacs: ['02:00:00:00:00:02'],
  serverAddresses: { v4: ['192.168.1.2'], v6: [] },
  targets: [{ number: 0, families: [4], mark: { value: 0x96, mask: 0xff } }],
  flowTableSize: 1024,
  maxFlowsPerClient: 256,
  onFailure: 'direct',
});

const hostWithout = (word: string) =>
  ({
    address: 'router',
    sidetrack: ['sidetrack'],
    run: async ({ stdin = '' }: Command) =>
      stdin.includes(`"${word}":`)
        ? {
            status: 1,
            stdout: '',
            stderr: 'Error: Could not process rule: No such file or directory',
          }
        : { status: 0, stdout: '', stderr: '' },
  }) as unknown as Host;

it.each([
  ['fib', 'nft_fib_inet'],
  ['limit', 'nft_limit'],
  ['notrack', 'nft_ct'],
])('names %s, which the table of the router uses', async (word, module) => {
  const transaction = replaceObjects(TABLE, objectNames(TABLE), { sets: [], chains: [] });
  const step = {
    host: 'router',
    title: 'create',
    argv: NFT_RUN,
    stdin: JSON.stringify(transaction),
    undo: [],
  };
  await expect(runNftStep(hostWithout(word), step)).rejects.toMatchObject({
    code: 'module-missing',
    message: expect.stringContaining(`(${module})`),
  });
});
