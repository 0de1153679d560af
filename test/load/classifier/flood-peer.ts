/**
 * `flood-peer.js MODE FLAGS ROUTER_MAC [SECONDS]`, on the client: small packets out of eth0.
 *   fast   as many as one core makes, for SECONDS, whatever becomes of them
 *   once   each flow once, with a window
 *   paced  with a window, to sinks that two lists agree upon, until end of input
 * With a window it says how many went out and where they arrived.
 */
import { setTimeout } from 'node:timers/promises';
import { addressOf, check } from '../../../bpf/ffi.js';
import { findInterface } from '../../../bpf/interface.js';
import { fillArray } from '../../../bpf/map.js';
import { BpfObject } from '../../../bpf/object.js';
import { parseAddress } from '../../../control/config/address.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import { frame } from '../../bpf/frame.js';
import {
  type Destination,
  FLOWS,
  steeredDestinations,
  undisputedDestinations,
} from './destinations.js';
import { ARRIVED_PIN, FLOOD_OBJECT } from './paths.js';
import { millionPrefixes } from './policies.js';
import { Traffic } from './traffic.js';

const LIVE_FRAMES = 2;
const BATCH = 64;
/** To start a run takes tens of milliseconds. */
const CHUNK = { fast: 1 << 17, windowed: 1 << 22 };
/** Half of what a veth's queue has room for. */
const WINDOW = 128;
const CLIENT_MAC = '02:00:00:00:01:10';

const [mode, flags, routerMac, seconds] = process.argv.slice(2);
const isPaced = mode === 'paced';
const window = mode === 'fast' ? 0 : WINDOW;

/** `config` of flood.bpf.c, with padding. */
const CONFIG = { window: 4, limit: 8, alternates: 16, packet: 20, size: 80 };

function constants(): Buffer {
  const constant = Buffer.alloc(CONFIG.size);
  constant.writeUInt32LE(findInterface('eth0')!);
  constant.writeUInt32LE(window, CONFIG.window);
  constant.writeBigUInt64LE(BigInt(mode === 'once' ? FLOWS : 0), CONFIG.limit);
  constant.writeUInt32LE(isPaced ? 1 : 0, CONFIG.alternates);
  bytes.copy(constant, CONFIG.packet);
  return constant;
}

function writeDestinations(object: BpfObject, list: readonly Destination[]): void {
  const values = Buffer.alloc(8 * list.length);
  list.forEach(({ address, sink }, i) => {
    values.writeUInt32BE(address, 8 * i);
    values.writeUInt32LE(sink, 8 * i + 4);
  });
  fillArray(object.mapDescriptor('destinations'), values, 8);
}

const arrivedFd = check('bpf_obj_get', ARRIVED_PIN);

function load(): BpfObject {
  const object = BpfObject.open(FLOOD_OBJECT, 'flood');
  object.setConstants(constants());
  object.reuseMap('arrived', arrivedFd);
  object.load();
  const lists = () => [millionPrefixes('first'), millionPrefixes('second')] as const;
  writeDestinations(object, isPaced ? undisputedDestinations(...lists()) : steeredDestinations());
  return object;
}

const bytes = frame(
  {
    sourceMac: CLIENT_MAC,
    family: 4,
    source: parseAddress(ADDRESS.client.v4) as number,
    destination: 0,
    protocol: 'tcp',
    sourcePort: 0,
    destinationPort: 443,
  },
  { tcpFlags: Number(flags), destinationMac: routerMac! },
);

/** `struct bpf_test_run_opts`. */
const options = Buffer.alloc(88);
options.writeBigUInt64LE(88n, 0);
options.writeBigUInt64LE(addressOf(bytes), 8);
options.writeUInt32LE(bytes.length, 24);
options.writeUInt32LE(LIVE_FRAMES, 68);
options.writeUInt32LE(BATCH, 76);
const object = load();
const program = object.programDescriptor();

function run(frames: number): void {
  options.writeInt32LE(frames, 60);
  check('bpf_prog_test_run_opts', program, options);
}

/** Ends when nothing is under way any more. */
async function sendWithWindow(isOver: (traffic: Traffic) => boolean): Promise<void> {
  const traffic = new Traffic(object, arrivedFd);
  while (!isOver(traffic)) {
    run(CHUNK.windowed);
    traffic.underWay();
    await setTimeout(0);
  }
  while (traffic.underWay() > 0) await setTimeout(5);
  console.log(JSON.stringify(traffic.arrivals()));
}

async function sendUntilEndOfInput(): Promise<void> {
  let ended = false;
  process.stdin.once('end', () => (ended = true)).resume();
  await sendWithWindow(() => ended);
}

function sendFast(): void {
  const end = performance.now() + Number(seconds) * 1000;
  while (performance.now() < end) run(CHUNK.fast);
}

if (mode === 'fast') sendFast();
else if (isPaced) await sendUntilEndOfInput();
else await sendWithWindow(({ sent }) => sent >= FLOWS);
