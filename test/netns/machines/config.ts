import { ADDRESS } from '../../../control/lab/topology.js';

/** The lab's usual configuration for hosts behind ssh. */
export const sshConfig = ({
  router = 'root',
  server1 = 'root',
  rules = '',
} = {}): string => `router:
  host: ssh://${router}@${ADDRESS.router.v4}
  interfaces: [br-lan, lan2]
servers:
  - name: server1
    host: ssh://${server1}@${ADDRESS.server1.v4}
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    program: relay
    port: 12345
rules:
  - { name: lan,  to: [private], action: direct }
${rules}  - { name: rest, proto: tcp, action: proxy }
confirm:
  # The lab's Internet; tests that count the relay's connections want none of a canary's.
  internet: ["${ADDRESS.internet.v4}:80", "[${ADDRESS.internet.v6}]:80"]
  dns: []
  canary: []
`;
