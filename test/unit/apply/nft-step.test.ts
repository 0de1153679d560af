/** A kernel without a module that the tables need. */
import { expect, it } from 'vitest';
import { cureNftStep } from '../../../control/apply/nft-step.js';
import type { Place } from '../../../control/apply/place.js';
import type { Command } from '../../../control/command/command.js';
import { NFT_RUN } from '../../../control/nft/json.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { objectNames, replaceObjects } from '../../../control/nft/transaction.js';

const TABLE = routerTable({
  policy: { rules: [{ name: 'rest', proto: 'tcp', action: 'proxy' }], default: 'direct' },
  interfaces: ['br-lan'],
  routerMacs: ['02:00:00:00:00:01'],
  serverMacs: ['02:00:00:00:00:02'],
  serverAddresses: { v4: ['192.168.1.2'], v6: [] },
  targets: [{ number: 0, name: 'server1', families: [4], mark: { value: 0x96, mask: 0xff } }],
  flowTableSize: 1024,
  maxFlowsPerClient: 256,
  onFailure: 'direct',
});

const REFUSED = {
  status: 1,
  stdout: '',
  stderr: 'Error: Could not process rule: No such file or directory',
};

/** Refuses the probe of one feature. */
const placeWithout = (word: string) =>
  ({
    host: { address: 'router', sidetrack: ['sidetrack'] },
    session: {
      batch: async ([{ stdin = '' }]: [Command]) => [
        stdin.includes(`"${word}":`) ? REFUSED : { status: 0, stdout: '', stderr: '' },
      ],
    },
  }) as unknown as Place;

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
  await expect(cureNftStep(placeWithout(word), step, REFUSED)).rejects.toMatchObject({
    code: 'module-missing',
    message: expect.stringContaining(`(${module})`),
  });
});
