/** A lab whose router steers by the eBPF classifier, with the policy route set up by hand. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PortRange, Verdict } from '../../bpf/policy.js';
import type { ClassifierState } from '../../bpf/report.js';
import type { ClassifierStats } from '../../bpf/stats.js';
import { Lab, type LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { openToOthers } from '../open-checkout.js';

const peer = (name: string) =>
  join(fileURLToPath(new URL('peers', import.meta.url)), `${name}.mjs`);
const OBJECT = join(fileURLToPath(new URL('../..', import.meta.url)), 'build/bpf/classify.bpf.o');
const SERVER_MAC = '02:00:00:00:01:02';

/** A BPF file system of the lab's own; its /run is private. */
const MOUNT = '/run/bpf';
const DIRECTORY = `${MOUNT}/sidetrack`;

/** What apply would do beside the classifier; docs/classifier.md says why each is needed. */
const ROUTER = `
mkdir -p ${MOUNT} && mount -t bpf bpf ${MOUNT}
for k in all default br-lan lan2; do echo 0 > /proc/sys/net/ipv4/conf/$k/send_redirects; done
for k in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $k ] || echo 0 > $k; done
nft -f - <<'EOF'
table inet sidetrack {
  chain prerouting {
    type filter hook prerouting priority raw
    iifname { br-lan, lan2 } meta mark & 0xff == 0x96 counter notrack accept comment "steered"
    iifname br-lan ether saddr ${SERVER_MAC} ip saddr != ${ADDRESS.server1.v4} notrack accept
    iifname br-lan ether saddr ${SERVER_MAC} ip6 saddr != ${ADDRESS.server1.v6} notrack accept
  }
  chain output {
    type filter hook output priority filter
    icmpv6 type nd-redirect drop
  }
  chain forward {
    type filter hook forward priority filter
    ct state invalid drop
  }
}
EOF
`;

const ROUTES = `
for i in br-lan lan2; do
  ip rule add iif $i fwmark 0x96/0xff lookup 250
  ip -6 rule add iif $i fwmark 0x96/0xff lookup 250
done
ip route add default via ${ADDRESS.server1.v4} dev br-lan table 250
ip -6 route add default via ${ADDRESS.server1.v6} dev br-lan table 250
`;

const SERVER = `
nft -f - <<'EOF'
table inet capture {
  chain prerouting {
    type nat hook prerouting priority dstnat
    fib daddr type local return
    meta l4proto tcp redirect to :12345
  }
  chain seen {
    type filter hook prerouting priority raw
    ip ttl 63 tcp flags syn counter comment "ttl4"
    ip6 hoplimit 63 tcp flags syn counter comment "ttl6"
  }
}
EOF
`;

export interface RuleText {
  name: string;
  proto?: 'tcp' | 'udp';
  to?: string[];
  from?: string[];
  ports?: PortRange[];
  action: Verdict;
}

export interface Attach {
  rules?: RuleText[];
  otherwise?: Verdict;
  interfaces?: string[];
  redirectInterface?: string;
  xdp?: boolean;
  directory?: string;
}

/** Everything but port 25 goes to the server; 8080 is dropped. */
export const RULES: RuleText[] = [
  { name: 'guard:local', to: ['192.168.1.1', 'fd00:1::1'], action: 'direct' },
  { name: 'mail', proto: 'tcp', ports: [{ first: 25, last: 25 }], action: 'direct' },
  { name: 'no', proto: 'tcp', ports: [{ first: 8080, last: 8080 }], action: 'block' },
  { name: 'rest', proto: 'tcp', action: 'proxy' },
];

interface Failure {
  code: string | null;
  message: string;
}

export class SteeringLab {
  private constructor(readonly lab: Lab) {}

  static async start(): Promise<SteeringLab> {
    const steering = new SteeringLab(await Lab.start());
    await openToOthers(steering.lab);
    await steering.sh('router', ROUTER);
    await steering.sh('router', ROUTES);
    await steering.sh('server1', SERVER);
    await steering.serve('server1', 12345);
    for (const port of [25, 80, 8080]) await steering.serve('internet', port);
    return steering;
  }

  stop(): void {
    this.lab.stop();
  }

  sh(node: string, script: string): Promise<string> {
    return this.lab.check(node, ['sh', '-ec', script]);
  }

  async attach(options: Attach = {}): Promise<void> {
    const failure = await this.tryAttach(options);
    if (failure) throw new Error(`attach: ${failure.code}: ${failure.message}`);
  }

  async tryAttach({
    rules = RULES,
    redirectInterface,
    ...rest
  }: Attach): Promise<Failure | undefined> {
    const { error } = await this.command('attach', {
      directory: DIRECTORY,
      object: OBJECT,
      interfaces: ['br-lan', 'lan2'],
      flowTableSize: 65536,
      rules,
      steering: {
        targets: [
          {
            mark: { value: 0x96, mask: 0xff },
            nextHop: ADDRESS.server1,
            macs: [SERVER_MAC],
            redirectInterface,
          },
        ],
        serverAddresses: Object.values(ADDRESS.server1),
        onFailure: 'direct',
      },
      ...rest,
    });
    return error;
  }

  async detach(): Promise<void> {
    const { error } = await this.command('detach', { directory: DIRECTORY });
    if (error) throw new Error(`detach: ${error.message}`);
  }

  async show(): Promise<ClassifierState | null> {
    return (await this.command('show', { directory: DIRECTORY })).result as ClassifierState | null;
  }

  async stats(): Promise<ClassifierStats> {
    return (await this.command('stats', { directory: DIRECTORY })).result as ClassifierStats;
  }

  pins(): Promise<string> {
    return this.sh('router', `find ${MOUNT} -mindepth 1 -name '*sidetrack*'`);
  }

  /** Whose answer a client gets: `server1`, `internet`, or nothing at all. */
  async whoAnswers(node: string, address: string, port = 80): Promise<string> {
    const host = address.includes(':') ? `[${address}]` : address;
    const argv = ['curl', '-gsS', '--max-time', '2', `http://${host}:${port}/`];
    const { status, stdout } = await this.lab.run(node, argv);
    return status === 0 ? stdout.trim() : `nobody (curl: ${status})`;
  }

  /** A download without an end. */
  stream(node: string, address: string): LabProcess {
    const host = address.includes(':') ? `[${address}]` : address;
    return this.lab.spawn(node, ['curl', '-gsSN', `http://${host}/stream`]);
  }

  /** Whether netfilter sees frames before the bridge hands them to the stack, and so before us. */
  async bridgeNetfilter(on: boolean): Promise<void> {
    const set = 'for k in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $k ]';
    await this.sh('router', `${set} || echo ${on ? 1 : 0} > $k; done`);
  }

  /** Packets counted by the nft rule with this comment. */
  async counted(node: string, comment: string): Promise<number> {
    const listing = await this.lab.check(node, ['nft', 'list', 'ruleset']);
    const line = listing.split('\n').find((one) => one.includes(`comment "${comment}"`));
    return Number(/packets (\d+)/.exec(line ?? '')?.[1] ?? -1);
  }

  private async command(
    command: string,
    options: object,
  ): Promise<{ result?: unknown; error?: Failure }> {
    const stdin = JSON.stringify(options);
    const argv = [process.execPath, peer('classifier'), command];
    const output = await this.lab.check('router', argv, { stdin });
    return JSON.parse(output) as { result?: unknown; error?: Failure };
  }

  private async serve(name: string, port: number): Promise<void> {
    const server = this.lab.spawn(name, [process.execPath, peer('named-server'), name, `${port}`]);
    await new Promise<void>((resolve, reject) => {
      server.child.stdout!.once('data', () => resolve());
      server.exited.then((status) => reject(new Error(`the server on ${name} ended: ${status}`)));
    });
  }
}
