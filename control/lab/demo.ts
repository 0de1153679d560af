/**
 * `sidetrack lab demo`: the whole product in one lab, with the same commands that a user types.
 * Throughput is measured with iperf3 before and after steering.
 */

import { createInterface } from 'node:readline';
import { z } from 'zod';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { Lab } from './lab.js';
import { ADDRESS, type LabServer, labServers } from './topology.js';
import { waitFor } from './wait.js';

export interface Throughput {
  path: string;
  /** Gbit/s. */
  v4: number;
  v6: number;
}

/** What the demo needs of a terminal. */
export interface DemoPrinter {
  heading(text: string): void;
  text(text: string): void;
  picture(): void;
  /** A command as typed, and what it printed. */
  command(line: string, output: string): void;
  progress(label: string, gigabits: number, highest: number): void;
  progressEnd(): void;
  throughput(rows: readonly Throughput[]): void;
  proof(claim: string, evidence: readonly string[]): void;
}

/** Of one in the lab's configuration. */
const serverEntry = ({ name, v4, v6 }: LabServer) => `  - name: ${name}
    host: netns://${name}
    interface: eth0
    address: [${v4}, "${v6}"]
    program: relay
    port: 12345
`;

/** The configuration of a lab with that many servers. @throws SidetrackError `lab-servers` */
export const labConfig = (servers: number): string => `router:
  host: netns://router
  interfaces: [br-lan, lan2]
servers:
${labServers(servers).map(serverEntry).join('')}rules:
  - { name: lan,  to: [private], action: direct }
  - { name: mail, proto: tcp, port: [25, 465, 587], action: direct }
  - { name: rest, proto: tcp, action: proxy }
`;

/** Also what the tests start from. */
export const LAB_CONFIG = labConfig(1);

/** Its last connections are part of the show. */
const DEMO_CONFIG = `${LAB_CONFIG}relay: { metrics: { connections: true } }
`;

/** On the lab's own /run, so that it goes with the lab however that ends. */
const CONFIG_FILE = '/run/sidetrack.yaml';
const SECONDS_PER_RUN = 5;
const METRICS_URL = 'http://127.0.0.1:9150';
const WORKING = ['iperf3', 'curl', 'nft'];

export async function runDemo(printer: DemoPrinter): Promise<void> {
  const lab = await Lab.start();
  try {
    await assertPrograms(lab);
    await lab.check(undefined, ['tee', CONFIG_FILE], { stdin: DEMO_CONFIG });
    await new Demo(lab, printer).run();
  } finally {
    lab.stop();
  }
}

async function assertPrograms(lab: Lab): Promise<void> {
  for (const program of WORKING) {
    const { status } = await lab.run(undefined, ['sh', '-c', `command -v ${program}`]);
    if (status !== 0)
      throw new SidetrackError(`the demo needs ${program}`, {
        code: 'program-missing',
        source: 'host',
        hint: 'sudo make demo installs it',
      });
  }
}

class Demo {
  private highest = 0;

  constructor(
    private readonly lab: Lab,
    private readonly printer: DemoPrinter,
  ) {}

  async run(): Promise<void> {
    const { printer } = this;
    printer.heading('The network: everything in namespaces of its own');
    printer.picture();
    printer.text('The router masquerades to the Internet. server1 will relay for the LAN.');
    await this.startIperfServers();

    printer.heading('Before: client → router → internet');
    const direct = await this.measure('direct');

    printer.heading('The plan');
    printer.command('sidetrack plan', await this.sidetrack('plan'));
    printer.heading('Apply it, and start the relay on server1');
    await this.startRelay();
    printer.command('sidetrack apply', await this.sidetrack('apply'));

    printer.heading('After: client → router → server1 (relay) → router → internet');
    const steered = await this.measure('through server1');
    printer.heading('Result');
    printer.throughput([direct, steered]);

    await this.prove();
    printer.heading('Metrics of the relay');
    await this.showMetrics();
    printer.heading('Take it down');
    printer.command('sidetrack down', await this.sidetrack('down'));
    this.showNext();
  }

  /** Runs our own command line where netns:// hosts exist. */
  private async sidetrack(...args: string[]): Promise<string> {
    const argv = [process.execPath, process.argv[1]!, ...args, '-c', CONFIG_FILE];
    const { status, stdout, stderr } = await this.lab.run(undefined, argv);
    if (status === 0) return stdout;
    throw new SidetrackError(`sidetrack ${args.join(' ')} failed: ${stderr}${stdout}`, {
      code: 'demo-step',
      source: 'bug',
    });
  }

  private async startIperfServers(): Promise<void> {
    this.lab.spawn('internet', ['iperf3', '--server'], { stdio: 'ignore' });
    await waitFor('iperf3 to listen', async () => {
      const { stdout } = await this.lab.run('internet', ['cat', '/proc/net/tcp6']);
      return /:1451 /.test(stdout);
    });
  }

  private async startRelay(): Promise<void> {
    const argv = [process.execPath, process.argv[1]!, 'relay', '-c', CONFIG_FILE];
    this.lab.spawn('server1', argv, { stdio: ['ignore', 'ignore', 'inherit'] });
    await waitFor('the relay to answer', async () => {
      const { status } = await this.fetch('/healthz');
      return status === 0;
    });
  }

  private fetch(path: string) {
    return this.lab.run('server1', ['curl', '-sf', `${METRICS_URL}${path}`]);
  }

  private async measure(path: string): Promise<Throughput> {
    const v4 = await this.iperf(`${path}, IPv4`, ADDRESS.internet.v4);
    const v6 = await this.iperf(`${path}, IPv6`, ADDRESS.internet.v6);
    return { path, v4, v6 };
  }

  /** Downloads for a few seconds and shows each second. @returns the mean in Gbit/s. */
  private async iperf(label: string, address: string): Promise<number> {
    const argv = ['iperf3', '--client', address, '--reverse', '--time', `${SECONDS_PER_RUN}`];
    const program = this.lab.spawn('client', [...argv, '--format', 'g', '--forceflush'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let mean: number | undefined;
    let said = '';
    for await (const line of createInterface({ input: program.child.stdout! })) {
      said = line || said;
      const rate = /([\d.]+) Gbits\/sec/.exec(line);
      if (!rate) continue;
      const gigabits = Number(rate[1]);
      // The last two lines sum up what the sender and the receiver saw.
      if (line.includes('receiver')) mean = gigabits;
      if (/sender|receiver/.test(line)) continue;
      this.highest = Math.max(this.highest, gigabits);
      this.printer.progress(label, gigabits, this.highest);
    }
    this.printer.progressEnd();
    await program.exited;
    if (mean !== undefined) return mean;
    throw new SidetrackError(`iperf3 to ${address} measured nothing: ${said}`, {
      code: 'demo-iperf',
      source: 'bug',
    });
  }

  private async prove(): Promise<void> {
    const { printer } = this;
    printer.heading('Proof');
    const status = await this.sidetrack('status', '--only', 'router');
    printer.proof(
      'the router counted the steered packets, rule by rule',
      status.split('\n').filter((line) => /rule |steered|counted by/.test(line)),
    );
    const seen = recentOf((await this.fetch('/connections')).stdout).map(
      ({ client, originalDestination }) => `${client} wanted ${originalDestination}`,
    );
    printer.proof('the relay on server1 learned where each connection wanted to go', [
      ...new Set(seen.slice(-4)),
    ]);
    printer.proof('the client still talks to the Internet address, not to server1', [
      await this.clientView(),
    ]);
  }

  /** The address pair of a live connection as the client's kernel has it. */
  private async clientView(): Promise<string> {
    const { v4 } = ADDRESS.internet;
    const program = this.lab.spawn('client', ['iperf3', '-c', v4, '-t', '2'], { stdio: 'ignore' });
    let line = '';
    await waitFor('a live connection', async () => {
      const { stdout } = await this.lab.run('client', ['ss', '-Htn', 'state', 'established']);
      line = stdout.split('\n').find((one) => one.includes(`${v4}:5201`)) ?? '';
      return line !== '';
    });
    program.signal('SIGTERM');
    await program.exited;
    const [local, peer] = line.trim().split(/\s+/).slice(-2);
    return `client's socket: ${local} ⇄ ${peer}`;
  }

  private async showMetrics(): Promise<void> {
    const wanted = /^sidetrack_relay_(connections_total|bytes_total|connect_seconds_count)/;
    const { stdout } = await this.fetch('/metrics');
    const lines = stdout.split('\n').filter((line) => wanted.test(line));
    this.printer.command(`curl ${METRICS_URL}/metrics   # on server1`, lines.join('\n'));
  }

  private showNext(): void {
    this.printer.heading('Your turn');
    this.printer.text(
      [
        '  node build/control/cli/main.js lab up          a lab of your own to play in',
        '  node build/control/cli/main.js init            a configuration for your network',
        '  node build/control/cli/main.js --help          everything else; README.md has the story',
      ].join('\n'),
    );
  }
}

const recentPage = z.object({
  connections: z.array(z.object({ client: z.string(), originalDestination: z.string() })),
});

/** Of the page of the relay's last connections. */
function recentOf(text: string) {
  const read = readContract(text, recentPage);
  if ('value' in read) return read.value.connections;
  throw new SidetrackError(`the relay's page /connections says something else: ${read.problem}`, {
    code: 'demo-page',
    source: 'bug',
  });
}
