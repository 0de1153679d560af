/** `sink-peer.js`: loads what swallows a flood and pins it, for `ip link set … xdp pinned`. */
import { check } from '../../../bpf/ffi.js';
import { BpfObject } from '../../../bpf/object.js';
import { ARRIVED_PIN, FLOOD_OBJECT, PINS, SINKS } from './paths.js';

const object = BpfObject.open(FLOOD_OBJECT, 'flood');
object.load();
check('bpf_obj_pin', object.mapDescriptor('arrived'), ARRIVED_PIN);
for (const sink of SINKS) check('bpf_obj_pin', object.programDescriptor(sink), `${PINS}/${sink}`);
