import { ADDRESS } from '../../../control/lab/topology.js';

/** The lab's Internet. */
export const DESTINATIONS = `["${ADDRESS.internet.v4}:80", "[${ADDRESS.internet.v6}]:80"]`;

/** The lab's usual configuration for hosts behind ssh. */
export const sshConfig = ({
  router = 'root',
  server1 = 'root',
  rules = '',
  /** What probes try. */
  probed = DESTINATIONS,
  /** Tests that count the relay's connections want none of a canary's. */
  canary = '[]',
} = {}): string => `router:
  host: ssh://${router}@${ADDRESS.router.v4}
  interfaces: [br-lan, lan2]
servers:
  - name: server1
    host: ssh://${server1}@${ADDRESS.server1.v4}
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    health: route
    port: 12345
rules:
  - { name: lan,  to: [private], action: direct }
${rules}  - { name: rest, proto: tcp, action: proxy }
confirm: { dns: [], internet: ${probed}, canary: ${canary} }
`;
