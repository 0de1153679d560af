/** server1 gets its relay by `apply --install`: over a real sshd, by dpkg, with a stand-in for systemd. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EXIT_REVERTED } from '../../control/cli/output.js';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { Fixture, url } from './fixture.js';
import type { Machine } from './machines/machine.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { addSystemd, ordersTo } from './machines/systemd.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { requireAll } from './rivals/installed.js';

const BUILT = fileURLToPath(new URL('../../build/package', import.meta.url));
const archive = existsSync(BUILT) && readdirSync(BUILT).find((name) => name.endsWith('.deb'));
/** A new package's exporter takes the old one's place, where one runs. */
const OTHERS = [
  'try-restart sidetrack-exporter.service',
  'try-restart sidetrack-heartbeat.service',
];
const HAND_OVER = 'kill --kill-whom=main --signal=SIGUSR2 sidetrack-relay.service';
const CONFIG = '/etc/sidetrack/sidetrack.yaml';
const OVER_SSH = LAB_CONFIG.replace('netns://server1', `ssh://root@${ADDRESS.server1.v4}`).replace(
  'netns://router',
  `ssh://root@${ADDRESS.router.v4}`,
);

describe.skipIf((!canMakeMachines || !archive) && !requireAll)('apply --install', () => {
  let fixture: Fixture;
  let machines: Machines;
  let server: Machine;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    server = await machines.debian('server1');
    await addSystemd(server);
  });
  beforeEach(() => fixture.configure(OVER_SSH));
  afterAll(() => fixture?.stop());

  async function succeed(...args: string[]) {
    const { status, stdout, stderr } = await machines.sidetrack(...args);
    if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout + stderr;
  }

  const mainProcess = () =>
    server.shell(
      'PATH=$1:$PATH; systemctl show --property=MainPID --value x',
      server.setUp.wrappers,
    );

  /** What a client gets through the relay. */
  async function relayed(): Promise<number> {
    const count = () => fixture.metric('sidetrack_relay_connections_total{family="ipv4"}');
    const before = await count();
    const size = 20_000;
    const { digest } = await fixture.download('client', url(ADDRESS.internet.v4, `/bytes/${size}`));
    expect(digest).toBe(pseudoRandomDigest(size));
    return (await count()) - before;
  }

  /** The same package with another version; `version` is what it says. */
  async function repacked(version: string): Promise<string> {
    const script = `set -e
      dpkg-deb -R "$1" "$2/tree"
      sed -i "s/^Version: .*/Version: $3/; s/^Sidetrack-Contents: .*/Sidetrack-Contents: of-$3/" "$2/tree/DEBIAN/control"
      dpkg-deb -Zgzip -z1 --root-owner-group -b "$2/tree" "$2/$3.deb"`;
    const argv = ['sh', '-c', script, 'sh', join(BUILT, archive || ''), fixture.directory, version];
    await fixture.lab.check(undefined, argv);
    return join(fixture.directory, `${version}.deb`);
  }

  it('is what apply says that is missing', async () => {
    const said = await succeed('plan', '--only', 'server1');
    expect(said).toContain('the relay is not installed on server1: run sidetrack apply --install');
  });

  it('installs, configures and starts the relay, which then carries what the router steers', async () => {
    const { result, trips } = await machines.counted(() =>
      machines.sidetrack('apply', '--install'),
    );
    expect(result.status, result.stderr).toBe(0);
    // No more than without a package.
    expect(trips).toEqual({ router: 6, server1: 6 });
    const said = result.stderr;
    expect(said).toMatch(/install sidetrack \S+\n.*start the relay, and wait until it accepts/);
    expect(await ordersTo(server)).toEqual([
      ...OTHERS,
      'enable sidetrack-relay.service',
      'start sidetrack-relay.service',
    ]);
    expect(await server.shell(`stat -c %a ${CONFIG}`)).toBe('644\n');
    expect(await server.shell('sidetrack --version && dpkg --verify sidetrack')).toBeTruthy();
    expect(await relayed()).toBe(1);
  });

  it('changes nothing the second time, with and without --install', async () => {
    for (const words of [['apply', '--install'], ['apply']])
      expect(await succeed(...words)).toContain('Nothing changes');
    expect(await succeed('status')).not.toContain('relay is not');
    expect(await ordersTo(server)).toEqual([]);
  });

  it('updates it while clients connect, and none of them is refused', async () => {
    const file = await repacked('99.0');
    const client = await fixture.startPeer('client', 'knock', 'first', ADDRESS.internet.v4, '4');
    const lines = createInterface({ input: client.child.stdout! });
    const result = new Promise<string>((resolve) => lines.on('line', resolve));
    const before = await mainProcess();
    const plan = join(fixture.directory, 'plan.json');
    await succeed('plan', '--install', file, '-o', plan);
    expect(await succeed('apply', plan)).toContain('to which the relay hands over');
    client.child.stdin!.end();
    expect(JSON.parse(await result)).toMatchObject({ failed: {}, wrong: 0 });
    expect(await ordersTo(server)).toEqual([HAND_OVER, ...OTHERS]);
    expect(await mainProcess()).not.toBe(before);
    expect(await server.shell("dpkg-query -W -f '${Version}' sidetrack")).toBe('99.0');
    expect(await relayed()).toBe(1);
  });

  it('gives a running relay its new configuration by a hand-over', async () => {
    fixture.configure(`${OVER_SSH}relay: { idle_timeout_seconds: 77 }\n`);
    await succeed('apply');
    expect(await ordersTo(server)).toEqual([HAND_OVER]);
    expect(await server.shell(`cat ${CONFIG}`)).toContain('idle_timeout_seconds: 77');
    expect(await relayed()).toBe(1);
  });

  it('puts the old configuration back where the new one lets no relay start, and the old relay goes on', async () => {
    fixture.configure(`${OVER_SSH}relay: { metrics: { address: 192.0.2.1 } }\n`);
    const { status, stderr } = await machines.sidetrack('apply');
    expect(status).toBe(EXIT_REVERTED);
    expect(stderr).toMatch(
      /"systemctl kill sidetrack-relay.service" failed.* did not hand over and goes on as it was: .*:18:5: the metrics port .* cannot be used/,
    );
    expect(await server.shell(`cat ${CONFIG}`)).toContain('idle_timeout_seconds: 77');
    expect(await relayed()).toBe(1);
  });

  it('refuses what the server cannot take, before anything is changed', async () => {
    const odd = join(fixture.directory, 'odd.deb');
    writeFileSync(odd, 'no package');
    const { status, stderr } = await machines.sidetrack('apply', '--install', odd);
    expect([status, stderr]).toEqual([2, expect.stringContaining('is no package of sidetrack')]);
    await server.shell(`cp ${CONFIG} /run/kept && echo 'router:' >${CONFIG}`);
    const foreign = await machines.sidetrack('apply', '--install');
    expect(foreign.stderr).toContain(`server1 has a ${CONFIG} that apply did not write`);
    expect(foreign.status).toBe(2);
    await server.shell(`cp /run/kept ${CONFIG}`);
  });

  it('is taken back by down, which leaves the package', async () => {
    await succeed('down');
    expect(await mainProcess()).toBe('0\n');
    expect(await server.shell(`ls ${CONFIG} 2>/dev/null || :`)).toBe('');
    expect(await server.shell('sidetrack --version')).toBeTruthy();
  });

  it('changes nothing where a password is missing, and says which', async () => {
    const upstream = `relay: { upstreams: [{ name: vps, url: "socks5://192.0.2.1:1080", username: me, password_file: vps.pass }] }\n`;
    fixture.configure(OVER_SSH + upstream);
    const { status, stderr } = await machines.sidetrack('apply', '--install');
    expect(status).toBe(EXIT_REVERTED);
    expect(stderr).toContain('there is nothing in /etc/sidetrack/vps.pass');
    expect(await server.shell(`ls ${CONFIG} 2>/dev/null || :`)).toBe('');
    expect(await mainProcess()).toBe('0\n');
  });
});
