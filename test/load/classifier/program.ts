/** Nanoseconds of the whole program over 65536 flows, beside an empty one and one hash lookup. */
import { execFileSync } from 'node:child_process';
import { findInterface } from '../../../bpf/interface.js';
import type { BpfObject } from '../../../bpf/object.js';
import { ACK, frame, SYN } from '../../bpf/frame.js';
import { prefixSet, v4Prefixes } from '../prefixes.js';
import { loadBenchObject } from './lookup.js';
import { testRun } from './test-run.js';

const FLOWS = 1 << 16;
const PASSED = -1;
const INTERFACE = 'lan';
const MAC = '02:00:00:00:00:01';

/** A router's interface and default route, so that questions to the routing table have answers. */
const NETWORK = `
ip link set lo up
ip link add ${INTERFACE} address ${MAC} type veth peer name host
ip addr add 192.168.1.1/24 dev ${INTERFACE}
ip link set ${INTERFACE} up
ip link set host up
ip route add default via 192.168.1.2
echo 1 > /proc/sys/net/ipv4/ip_forward`;

export interface FlowBench {
  object: BpfObject;
  ifindex: number;
}

/** The program's policy is a million prefixes, and every flow is steered. */
export function startFlowBench(): FlowBench {
  execFileSync('sh', ['-ec', NETWORK]);
  const to = prefixSet(v4Prefixes(1_000_000), []);
  const rules = [
    { name: 'list', proto: 'tcp' as const, to, action: 'proxy' as const },
    { name: 'rest', proto: 'tcp' as const, action: 'proxy' as const },
  ];
  const object = loadBenchObject({ rules, default: 'direct' }, 1 << 20);
  const bench = { object, ifindex: findInterface(INTERFACE)! };
  run(bench, 'flow_fill', ACK);
  return bench;
}

/** Every flow once, or more often. */
function run({ object, ifindex }: FlowBench, program: string, tcpFlags: number, times = 1): number {
  const bytes = frame(
    {
      sourceMac: '02:00:00:00:00:40',
      family: 4,
      source: 0,
      destination: 0,
      protocol: 'tcp',
      sourcePort: 0,
      destinationPort: 443,
    },
    { tcpFlags, destinationMac: MAC },
  );
  const { retval, nanoseconds } = testRun(object, program, bytes, FLOWS * times, ifindex);
  if (retval !== PASSED) throw new Error(`${program} returned ${retval}`);
  return nanoseconds;
}

export interface FlowTimes {
  empty: number;
  hash: number;
  first: number;
  established: number;
}

export function measureFlows(bench: FlowBench): FlowTimes {
  const timeOf = (program: string, flags: number) => {
    run(bench, program, flags);
    return run(bench, program, flags, 2);
  };
  const empty = timeOf('flow_empty', ACK);
  const hash = timeOf('flow_hash', ACK);
  const first = timeOf('flow_classify', SYN);
  const established = timeOf('flow_classify', ACK);
  return { empty, hash, first, established };
}
