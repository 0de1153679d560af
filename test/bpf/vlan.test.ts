/**
 * Frames of other VLANs on a listed interface, a bridge and a plain one: the kernel takes their tag
 * off before the classifier sees them. Both classifiers judge what the interface itself receives.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { parseAddress } from '../../control/config/address.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { waitFor } from '../../control/lab/wait.js';
import { parseListing } from '../../control/nft/listing.js';
import { routerTable } from '../../control/nft/router-table.js';
import { recreateTable } from '../../control/nft/transaction.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { listedCounts } from '../netns/policy/prediction.js';
import { ROUTER } from '../netns/policy/table-input.js';
import { type Dress, frame } from './frame.js';
import { type RuleText, SteeringLab } from './lab.js';

const INJECT = fileURLToPath(new URL('../../build/test/inject', import.meta.url));
const CLIENTS = { client: 'br-lan', client2: 'lan2' } as const;

const OWN: Dress[] = [
  {},
  { vlanTags: [0x8100] },
  { vlanTags: [0x88a8] },
  { vlanTags: [0x8100, 0x8100] },
];
const OTHERS: Dress[] = [
  { vlanTags: [0x8100], vlanId: 7 },
  { vlanTags: [0x88a8], vlanId: 7 },
  { vlanTags: [0x88a8, 0x8100], vlanId: [7, 8] },
  { vlanTags: [0x88a8, 0x8100], vlanId: [7, 0] },
  { vlanTags: [0x8100, 0x8100], vlanId: [0, 7] },
];
const PORTS = { blocked: 8080, steered: 443 };

const RULES: (RuleText & { to?: never; from?: never })[] = [
  { name: 'no', proto: 'tcp', ports: [{ first: 8080, last: 8080 }], action: 'block' },
  { name: 'rest', proto: 'tcp', action: 'proxy' },
];

let steering: SteeringLab;
beforeAll(async () => {
  steering = await SteeringLab.start();
});
afterAll(() => steering?.stop());
afterEach(() => steering.detach());

function framesTo(destinationMac: string, dresses: readonly Dress[]): string[] {
  return (['v4', 'v6'] as const).flatMap((family) =>
    Object.values(PORTS).flatMap((destinationPort) => {
      const packet: Packet = {
        sourceMac: '02:00:00:00:01:10',
        family: family === 'v4' ? 4 : 6,
        source: parseAddress(ADDRESS.client[family])!,
        destination: parseAddress(ADDRESS.internet[family])!,
        protocol: 'tcp',
        sourcePort: 40_000,
        destinationPort,
      };
      return dresses.map((dress) => frame(packet, { ...dress, destinationMac }).toString('hex'));
    }),
  );
}

/** The interface's own frames come last: when they are judged, so are all others. */
async function sendAll(): Promise<void> {
  for (const [client, device] of Object.entries(CLIENTS)) {
    const [link] = JSON.parse(
      await steering.lab.check('router', ['ip', '-j', 'link', 'show', device]),
    );
    const lines = [...framesTo(link.address, OTHERS), ...framesTo(link.address, OWN)];
    await steering.lab.check(client, [INJECT, 'eth0'], { stdin: `${lines.join('\n')}\n` });
  }
}

/** Two families, two interfaces. */
const OF_EACH_PORT = 4;

it('are left alone by eBPF, and those with a priority alone are judged', async () => {
  await steering.attach({ rules: RULES });
  await sendAll();
  const own = OF_EACH_PORT * OWN.length;
  await waitFor('the last frame to be judged', async () => {
    const { outcomes } = await steering.stats();
    return outcomes.marked.packets >= own;
  });
  const { outcomes } = await steering.stats();
  expect(outcomes.other_vlan.packets).toBe(2 * OF_EACH_PORT * OTHERS.length);
  expect(outcomes.blocked.packets).toBe(own);
  expect(outcomes.marked.packets).toBe(own);
});

it('are left alone by nftables, and those with a priority alone are judged', async () => {
  const table = {
    ...routerTable({ ...ROUTER, policy: { rules: RULES, default: 'direct' } }),
    name: 'judged',
  };
  const nft = ['nft', '-j', '-f', '-'];
  await steering.lab.check('router', nft, { stdin: JSON.stringify(recreateTable(table)) });
  await sendAll();
  const own = OF_EACH_PORT * OWN.length;
  const list = ['nft', '-j', 'list', 'table', 'inet', 'judged'];
  const counts = async () => listedCounts(parseListing(await steering.lab.check('router', list)));
  await waitFor('the last frame to be judged', async () => ((await counts()).steered ?? 0) >= own);
  expect(await counts()).toMatchObject({ 'rule no': own, 'rule rest': own, steered: own });
});
