/** The watcher of a node, from the files that an apply would leave there. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Deployment } from '../../../control/apply/deployment.js';
import { planDeployment } from '../../../control/apply/deployment.js';
import { freshKeys } from '../../../control/apply/heartbeat-keys.js';
import { loadConfig } from '../../../control/config/load.js';
import { arrive } from '../../../control/hosts/connect.js';
import { processTransport } from '../../../control/hosts/process-transport.js';
import { keepFiles, keepRunDirectory } from '../../../control/keep/files.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { CLI, type Fixture, waitFor } from '../fixture.js';
import { snapshot } from '../snapshot.js';

export interface About {
  kind: string;
  name: string;
  why: string;
}

export interface KeepState {
  pid: number;
  digest: string;
  repairs: Record<string, number>;
  last: About[];
  open: About[];
  alarms: About[];
}

export interface Watcher {
  said: readonly string[];
  /** Returns behind it. */
  end(): Promise<void>;
  /** It stands still while that is done, as it does while an apply has the host's lock. */
  meanwhile(work: () => Promise<void>): Promise<void>;
  /** Of it and all that it has started. */
  cpuSeconds(): Promise<number>;
  /** It has looked at what nothing tells of at least twice since. */
  looksTwice(): Promise<void>;
}

export class Kept {
  private constructor(
    private readonly fixture: Fixture,
    readonly node: string,
    readonly directory: string,
    readonly runDirectory: string,
    private readonly shell: readonly string[],
  ) {}

  /** Of a node as the configuration wants it. */
  static async of(fixture: Fixture, node: string, shell: readonly string[] = ['dash']) {
    const directory = `${fixture.directory}/keep-${node}`;
    const host = await hostOf(fixture, node);
    const kept = new Kept(fixture, node, directory, keepRunDirectory(host.stateDir), shell);
    await kept.write();
    return kept;
  }

  /** Names what is kept. */
  digest = '';

  /** What the configuration wants now. */
  async write(): Promise<void> {
    for (const file of await filesOf(this.fixture, this.node, this.directory)) {
      const { path, mode } = file;
      mkdirSync(dirname(path), { recursive: true });
      if ('copyOf' in file) {
        await this.fixture.lab.check(undefined, ['cp', file.copyOf, path]);
        continue;
      }
      const { content } = file;
      // As an apply does, so that it is never read by halves.
      writeFileSync(`${path}.new`, content, { mode });
      renameSync(`${path}.new`, path);
      this.digest = /^digest=(.*)$/m.exec(content)?.[1] ?? this.digest;
    }
  }

  /** What was applied is persisted. */
  async keepState(): Promise<void> {
    const from = `${dirname(this.runDirectory)}/state.json`;
    const script = 'mkdir -p "$2" && cp "$1" "$2/state.json"';
    await this.fixture.lab.check(undefined, [
      ...['sh', '-c', script, 'sh', from, `${this.directory}/state`],
    ]);
  }

  argv(...verb: string[]): string[] {
    return [...this.shell, `${this.directory}/program`, ...verb];
  }

  run(...verb: string[]) {
    return this.fixture.lab.run(this.node, this.argv(...verb));
  }

  /** It has seen to everything once. */
  async watch(): Promise<Watcher> {
    await this.fixture.lab.run(undefined, ['rm', '-rf', this.runDirectory]);
    const program = this.fixture.lab.spawn(this.node, this.argv('watch'));
    const said: string[] = [];
    createInterface({ input: program.child.stderr! }).on('line', (line) => said.push(line));
    await waitFor('the watcher', async () => (await this.state()) !== undefined);
    const cpuSeconds = () => this.cpuSeconds();
    return {
      said,
      end: async () => {
        program.signal('SIGTERM');
        await program.exited;
      },
      meanwhile: async (work) => {
        program.signal('SIGSTOP');
        await work();
        // What has entered the lab stops with its program, and wakes it again.
        program.child.kill('SIGCONT');
      },
      cpuSeconds,
      // Between two seconds it sleeps, in a process of its own.
      looksTwice: async () => {
        const seen = new Set<string>();
        await waitFor('two looks', async () => {
          const { stdout } = await this.fixture.lab.run(undefined, [
            'pgrep',
            '-x',
            '-f',
            'sleep 1',
          ]);
          for (const pid of stdout.trim().split('\n')) seen.add(pid);
          return seen.size > 3;
        });
      },
    };
  }

  /** What it and its children have used. */
  private async cpuSeconds(): Promise<number> {
    const pid = (await this.state())!.pid;
    const script = `
all=$1; seen=
while [ "$all" != "$seen" ]; do
  seen=$all
  for one in $seen; do
    for child in $(cat /proc/$one/task/*/children 2>/dev/null); do
      case " $all " in *" $child "*) ;; *) all="$all $child" ;; esac
    done
  done
done
for one in $all; do cat /proc/$one/stat 2>/dev/null || :; done`;
    const text = await this.fixture.lab.check(undefined, ['sh', '-c', script, 'sh', `${pid}`]);
    const ticks = text
      .trim()
      .split('\n')
      .map((line) => {
        const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
        return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      });
    return ticks.reduce((sum, one) => sum + one, 0) / 100;
  }

  /** Without what the watcher itself puts into the ruleset for a while. */
  async snapshot(): Promise<Record<string, string>> {
    const all = await snapshot(this.fixture.lab, this.node);
    const key = 'nft -s list ruleset';
    const ours = /^table inet sidetrack \{.*?^\}/ms.exec(all[key] ?? '')?.[0] ?? '';
    const block = /^\t(?:set (?:adopting|answered[46])|chain adopt(?:ed)?) \{.*?^\t\}\n/gms;
    return { ...all, [key]: ours.replaceAll(block, '').replace(/\n+/g, '\n') };
  }

  /** Does what spoils something, and returns when that is repaired. */
  async repairs(name: string, kind: string, argv: readonly string[]): Promise<void> {
    const count = async () => (await this.state())!.repairs[kind] ?? 0;
    const before = await count();
    await this.fixture.lab.check(this.node, argv);
    await waitFor(`${name} to be repaired`, async () => (await count()) > before);
  }

  /** Runs what spoils something. @returns in how many ms all was as before; @throws after ten seconds */
  async timesRepair(name: string, script: string): Promise<number> {
    // Those of before are no fight.
    await this.run('resume');
    const { status, stdout, stderr } = await this.fixture.lab.run(
      this.node,
      ['sh', '-c', TIMES_REPAIR, 'sh', this.runDirectory, script],
      { timeoutMs: 30_000 },
    );
    if (status !== 0) throw new Error(`${name} is not repaired: ${stdout}${stderr}`);
    return Number(stdout);
  }

  async state(): Promise<KeepState | undefined> {
    const { stdout, status } = await this.fixture.lab.run(undefined, [
      'cat',
      `${this.runDirectory}/state.json`,
    ]);
    return status === 0 ? (JSON.parse(stdout) as KeepState) : undefined;
  }
}

/** It waits until what the watcher compares is as it was, and the watcher says that it has done something. */
const TIMES_REPAIR = `
look() {
  for family in 4 6; do ip -$family rule; ip -$family route show table 250; done | sed 's/[[:space:]]*$//' | sort
  nft -s -t list table inet sidetrack 2>&1 |
    sed '/^\\tset \\(adopting\\|answered[46]\\) {/,/^\\t}/d; /^\\tchain \\(adopt\\|adopted\\) {/,/^\\t}/d; /^$/d'
  for set in interfaces server_macs routers; do nft list set inet sidetrack $set 2>/dev/null; done
  cat /proc/sys/net/ipv4/conf/all/send_redirects /proc/sys/net/ipv4/tcp_mtu_probing
}
while [ -e "$1/resume" ]; do sleep 0.05; done
good=$(look) counts=$(cat "$1/counts")
start=$(date +%s%N)
eval "$2" || exit 1
until [ "$(cat "$1/counts")" != "$counts" ] && [ "$(look)" = "$good" ]; do
  if [ $(($(date +%s%N) - start)) -gt 10000000000 ]; then
    look >/tmp/look.$$; printf '%s\\n' "$good" | diff - /tmp/look.$$; rm -f /tmp/look.$$
    exit 1
  fi
  sleep 0.01
done
echo $((($(date +%s%N) - start) / 1000000))`;

/** The watcher runs what is built, as an apply of the built command line would have it. */
const hostOf = async (fixture: Fixture, node: string) =>
  Object.assign(
    await arrive(processTransport(`netns://${node}`, (argv) => fixture.lab.wrap(node, argv))),
    { sidetrack: [process.execPath, CLI] },
  );

async function filesOf(fixture: Fixture, node: string, directory: string) {
  const config = await loadConfig(fixture.configFile);
  const names = ['server1', 'router'];
  const hosts = new Map(
    await Promise.all(names.map(async (name) => [name, await hostOf(fixture, name)] as const)),
  );
  const deployment: Deployment = {
    config,
    policy: compilePolicy(config),
    hosts,
    freshKeys: freshKeys(config),
  };
  const { hosts: plans } = await planDeployment(deployment);
  const { desired, observed, steps } = plans.find(({ name }) => name === node)!;
  if (steps.length > 0 || observed.saved === undefined) throw new Error(`${node} is not applied`);
  return keepFiles({ desired, observed }, directory);
}
