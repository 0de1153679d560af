/** A lab whose server1 has guests: `guest` behind its LAN bridge br0, `container` on a network of its own. */
import { DEFAULT_TOPOLOGY, type Node, type Topology } from '../../control/lab/topology.js';

export const GUEST = { v4: '192.168.1.11', v6: 'fd00:1::11', mac: '02:00:00:00:01:11' } as const;
export const CONTAINER = '172.17.0.2';
export const BRIDGE_MAC = '02:00:00:00:01:02';

const SERVER: Node = {
  name: 'server1',
  interfaces: [
    { name: 'eth0', addresses: [] },
    { name: 'vm0', addresses: [] },
    { name: 'inside', addresses: ['172.17.0.1/16'] },
  ],
  bridges: [
    {
      name: 'br0',
      mac: BRIDGE_MAC,
      ports: ['eth0', 'vm0'],
      addresses: ['192.168.1.2/24', 'fd00:1::2/64'],
    },
  ],
  routes: ['default via 192.168.1.1', 'default via fd00:1::1'],
};

const GUEST_NODE: Node = {
  name: 'guest',
  interfaces: [{ name: 'eth0', mac: GUEST.mac, addresses: [`${GUEST.v4}/24`, `${GUEST.v6}/64`] }],
  routes: ['default via 192.168.1.1', 'default via fd00:1::1'],
};

const CONTAINER_NODE: Node = {
  name: 'container',
  interfaces: [{ name: 'eth0', addresses: [`${CONTAINER}/16`] }],
  routes: ['default via 172.17.0.1'],
};

export const BRIDGED: Topology = {
  nodes: [
    ...DEFAULT_TOPOLOGY.nodes.map((node) => (node.name === 'server1' ? SERVER : node)),
    GUEST_NODE,
    CONTAINER_NODE,
  ],
  links: [
    ...DEFAULT_TOPOLOGY.links,
    ['guest:eth0', 'server1:vm0'],
    ['container:eth0', 'server1:inside'],
  ],
};
