/**
 * What heartbeats cost the router: the floods and the bulk of the other rows through a lab that
 * `apply` has set up, with and without them. Without is `health: route`, or, with BEFORE=DIR, the built
 * checkout of an earlier state, whose configuration has no word for it.
 */
import { join } from 'node:path';
import { Lab } from '../../../control/lab/lab.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import { waitFor } from '../../../control/lab/wait.js';
import { Running } from '../../netns/rivals/launch.js';
import { CORE } from '../bench-lab.js';
import { BEFORE, program } from '../contestants.js';
import { FLOW_TABLE_SIZE, mountPins } from './router.js';

export type Beats = 'beats' | 'without';
/** XDP and redirect judge by the same program. */
export const BEATING = ['nftables', 'mark', 'redirect'] as const;
export type Beating = (typeof BEATING)[number];

/** On the lab's own /run. */
const FILE = '/run/sidetrack-bench.yaml';
const RELAY_PORT = 12345;
const APPLY_MS = 60_000;

const cliOf = (beats: Beats) =>
  beats === 'without' && BEFORE !== undefined
    ? join(BEFORE, 'build/control/cli/main.js')
    : program('control/cli/main.js');

function healthOf(beats: Beats): string {
  if (beats === 'beats') return '    health: heartbeat\n';
  return BEFORE === undefined ? '    health: route\n' : '';
}

const misses = Array.from(
  { length: 9 },
  (_, i) => `  - { name: port${i}, proto: tcp, port: ${1000 + i}, action: direct }\n`,
).join('');

const configuration = (how: Beating, beats: Beats) => `router:
  host: netns://router
  interfaces: [br-lan]
  flow_table_size: ${FLOW_TABLE_SIZE}
  max_flows_per_client: 0
${how === 'nftables' ? '' : `  classifier: ebpf\n  forwarding: ${how}\n`}servers:
  - name: server1
    host: netns://server1
    interface: eth0
    address: [${ADDRESS.server1.v4}]
    port: ${RELAY_PORT}
${healthOf(beats)}rules:
${misses}  - { name: rest, proto: tcp, action: proxy }
relay: { threads: 1 }
`;

/** With the relay on the core that is not the router's: it sends the heartbeats, and takes bulk. */
export async function startBeating(
  how: Beating,
  beats: Beats,
  prepare: (lab: Lab) => Promise<void>,
): Promise<Lab> {
  const lab = await Lab.start();
  try {
    await mountPins(lab);
    await prepare(lab);
    await lab.check(undefined, ['tee', FILE], { stdin: configuration(how, beats) });
    const sidetrack = (...args: string[]) => [process.execPath, cliOf(beats), ...args, '-c', FILE];
    await lab.check(undefined, sidetrack('apply'), { timeoutMs: APPLY_MS });
    const relay = ['taskset', '-c', `${CORE.rest}`, ...sidetrack('relay')];
    await Running.start(lab, 'server1', relay, RELAY_PORT);
    if (beats === 'beats')
      await waitForBeats(lab, sidetrack('status', '--json', '--only', 'router'));
    return lab;
  } catch (error) {
    lab.stop();
    throw error;
  }
}

/** What comes before a heartbeat is not steered. */
const waitForBeats = (lab: Lab, argv: readonly string[]) =>
  waitFor('the router to hear heartbeats', async () => {
    const { stdout } = await lab.run(undefined, argv);
    return /"families":\s*\{\s*"4":\s*"alive"/.test(stdout);
  });

/** Connections that the relay has accepted. */
export async function acceptedBy(lab: Lab): Promise<number> {
  const text = await lab.check('server1', ['curl', '-sf', 'http://127.0.0.1:9150/metrics']);
  return Number(/^sidetrack_relay_connections_total\{family="ipv4"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}
