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
const CHUNK = 1 << 14;
const CLIENT_MAC = '02:00:00:00:01:10';

const [flags, seconds, routerMac] = process.argv.slice(2);

function load(): number {
  const object = BpfObject.open(FLOOD_OBJECT, 'flood');
  const constants = Buffer.alloc(4);
  constants.writeUInt32LE(findInterface('eth0')!);
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
const flows = 1 << 16;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Every flow once, in portions that no queue loses. */
function sendEachFlow(): void {
  options.writeInt32LE(BATCH, 60);
  for (let sent = 0; sent < flows; sent += BATCH) {
    check('bpf_prog_test_run_opts', program, options);
    Atomics.wait(pause, 0, 0, 1);
  }
}

function flood(end: number): void {
  options.writeInt32LE(CHUNK, 60);
  while (performance.now() < end) check('bpf_prog_test_run_opts', program, options);
}

if (Number(seconds) === 0) sendEachFlow();
else flood(performance.now() + Number(seconds) * 1000);
