/** `flood-peer.js FLAGS SECONDS ROUTER_MAC`: small packets out of eth0, as fast as one core makes them; in no seconds, each flow once. */
import { addressOf, check } from '../../../bpf/ffi.js';
import { findInterface } from '../../../bpf/interface.js';
import { BpfObject } from '../../../bpf/object.js';
import { parseAddress } from '../../../control/config/address.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import { frame } from '../../bpf/frame.js';
import { FLOOD_OBJECT } from './paths.js';

const LIVE_FRAMES = 2;
const BATCH = 64;
/** To start a run takes tens of milliseconds. */
const CHUNK = 1 << 17;
/** A rate that no queue loses. */
const EVERY = 128;
const FLOWS = 1 << 16;
const CLIENT_MAC = '02:00:00:00:01:10';

const [flags, seconds, routerMac] = process.argv.slice(2);
const isSlow = Number(seconds) === 0;

function load(): number {
  const object = BpfObject.open(FLOOD_OBJECT, 'flood');
  const constants = Buffer.alloc(8);
  constants.writeUInt32LE(findInterface('eth0')!);
  constants.writeUInt32LE(isSlow ? EVERY : 1, 4);
  object.setConstants(constants);
  object.load();
  return object.programDescriptor();
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
options.writeInt32LE(CHUNK, 60);
options.writeUInt32LE(LIVE_FRAMES, 68);
options.writeUInt32LE(BATCH, 76);
const program = load();

function run(frames: number): void {
  options.writeInt32LE(frames, 60);
  check('bpf_prog_test_run_opts', program, options);
}

// Twice, since a busy machine loses some all the same.
if (isSlow) run(2 * FLOWS * EVERY);
const end = performance.now() + Number(seconds) * 1000;
while (performance.now() < end) run(CHUNK);
