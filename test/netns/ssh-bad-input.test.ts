/** What ssh and hosts behind it refuse: one clear line with what to type next, and nothing half applied. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { Fixture, waitFor } from './fixture.js';
import { LAPTOP, Machines } from './machines/machines.js';
import { canMakeMachines, program } from './machines/programs.js';
import { snapshot } from './snapshot.js';

interface Hosts {
  router?: string;
  server?: string;
}

const ROUTER = `ssh://root@${ADDRESS.router.v4}`;
const SERVER = `ssh://root@${ADDRESS.server1.v4}`;
const config = ({ router = ROUTER, server = SERVER }: Hosts) => `router:
  host: ${router}
  interfaces: [br-lan, lan2]
servers:
  - name: server1
    host: ${server}
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    health: route
`;

describe.skipIf(!canMakeMachines)('refused over ssh', () => {
  let fixture: Fixture;
  let machines: Machines;
  const undo: (() => unknown)[] = [];

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    await machines.debian('server1');
  });
  afterAll(() => fixture?.stop());
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });

  /** Runs apply; it must fail, say why in one line and a hint, and leave no trace. */
  async function expectRefusal(hosts: Hosts, said: RegExp, hint: RegExp, env = {}): Promise<void> {
    fixture.configure(config(hosts));
    const nodes = ['router', 'server1'];
    const state = () => Promise.all(nodes.map((node) => snapshot(fixture.lab, node)));
    const before = await state();
    const { status, stdout, stderr } = await machines.sidetrackWith({ env }, 'apply');
    const lines = stderr.split('\n').filter((line) => line !== '' && !/^warning/.test(line));
    expect(lines[0]).toMatch(/^error: /);
    expect(lines[0]).toMatch(said);
    expect(lines.slice(1).join('\n') || lines[0]).toMatch(hint);
    expect(lines.length).toBeLessThanOrEqual(2);
    expect(stdout).toBe('');
    expect(status).toBeGreaterThan(0);
    expect(await state()).toEqual(before);
  }

  /** Keeps a file's content for after the test. */
  function keep(path: string): string {
    const content = readFileSync(path, 'utf8');
    undo.push(() => writeFileSync(path, content));
    return content;
  }

  /** The test's ssh with more options in front, which win. */
  function withOptions(...options: string[]): void {
    const file = machines.own('bin/ssh');
    const script = keep(file);
    writeFileSync(file, script.replace('"$@"', `${options.join(' ')} "$@"`));
  }

  async function onMachine(node: 'router' | 'server1', change: string, back: string) {
    const machine = machines.get(node);
    await machine.shell(change);
    undo.push(() => machine.shell(back));
  }

  const onLaptop = (script: string) => fixture.lab.check(LAPTOP, ['sh', '-c', script]);

  describe('the way there', () => {
    it('a host key that is not known', async () => {
      keep(machines.own('known_hosts'));
      writeFileSync(machines.own('known_hosts'), '');
      await expectRefusal({}, /its host key is not known here$/, /accept it once.*: ssh root@192/);
    });

    it('a host key that has changed', async () => {
      const known = keep(machines.own('known_hosts'));
      const [router = '', server = ''] = [ADDRESS.router.v4, ADDRESS.server1.v4].map(
        (address) => new RegExp(`^${address} (.*)$`, 'm').exec(known)![1],
      );
      writeFileSync(machines.own('known_hosts'), known.replace(router, server));
      await expectRefusal(
        {},
        /not the one that is known here \(it has SHA256:/,
        /ssh-keygen -R 192\.168\.1\.1, then ssh root@192/,
      );
    });

    it('a login that is refused', async () => {
      withOptions('-o', 'IdentityFile=none', '-F', '/dev/null', '-o', knownHosts());
      await expectRefusal({}, /root is refused: no key/, /ssh-copy-id root@192/);
    });
    const knownHosts = () => `UserKnownHostsFile=${machines.own('known_hosts')}`;

    it('too many keys', { tags: 'long' }, async () => {
      const keygen = [program('ssh-keygen'), '-q', '-t', 'ed25519', '-N', '', '-f'];
      const keys = Array.from({ length: 8 }, (_, i) => machines.own(`key${i}`));
      for (const key of keys) await fixture.lab.check(undefined, [...keygen, key]);
      const files = keys.map((key) => `-o IdentityFile=${key}`).join(' ');
      withOptions(files, '-o', knownHosts(), '-F', '/dev/null', '-o', 'IdentitiesOnly=yes');
      await expectRefusal(
        {},
        /too many keys for root|root is refused/,
        /ssh-copy-id|IdentitiesOnly/,
      );
    });

    it('a name that does not resolve', async () => {
      await expectRefusal(
        { router: 'ssh://root@nosuchname.invalid' },
        /the name "nosuchname\.invalid" does not resolve/,
        /getent ahosts/,
        { RES_OPTIONS: 'timeout:1 attempts:1' },
      );
    });

    it('a port that is closed', async () => {
      await expectRefusal({ router: `${ROUTER}:9` }, /nothing listens on port 9/, /:PORT/);
    });

    it('no route', { tags: 'long' }, async () => {
      await onLaptop('ip route add unreachable 192.0.2.9');
      undo.push(() => onLaptop('ip route del unreachable 192.0.2.9'));
      await expectRefusal({ router: 'ssh://root@192.0.2.9' }, /no way there: No route/, /ping 192/);
    });

    it('a host that does not answer', async () => {
      const drop = `table inet deaf { chain out { type filter hook output priority 0; ip daddr ${ADDRESS.router.v4} tcp dport 22 drop
}
}`;
      await fixture.lab.check(LAPTOP, ['nft', '-f', '-'], { stdin: drop });
      undo.push(() => onLaptop('nft delete table inet deaf'));
      withOptions('-o', 'ConnectTimeout=1');
      await expectRefusal({}, /no answer on port 22: Connection timed out/, /firewall/);
    });

    const SILENCE = 'undefined';
    async function refusesServer(_what: string, answer: string, said: RegExp): Promise<void> {
      const code = `require('net').createServer((s) => { s.on('error', () => 0); ${answer}; }).listen(7001, () => console.log('up'))`;
      const server = fixture.lab.spawn('router', [process.execPath, '-e', code]);
      undo.push(() => server.signal('SIGKILL'));
      await waitFor('the server', async () =>
        /:1B59 /.test((await fixture.lab.run('router', ['cat', '/proc/net/tcp6'])).stdout),
      );
      // One that answers may take its time.
      if (answer === SILENCE) withOptions('-o', 'ConnectTimeout=1');
      await expectRefusal({ router: `${ROUTER}:7001` }, said, /ssh -p 7001 root@/);
    }
    it.each([['says nothing', SILENCE, /no ssh server answers in time/]] as const)(
      'a server that %s',
      refusesServer,
    );
    it.each([
      ['is no ssh server', 's.end("HTTP/1.1 400 Bad Request\\r\\n\\r\\n")', /./],
      ['hangs up', 's.destroy()', /closes the connection|lost/],
    ] as const)('a server that %s', { tags: 'long' }, refusesServer);

    it('a jump host that does not answer', async () => {
      withOptions('-J', `root@${ADDRESS.router.v4}:9`);
      await expectRefusal({}, /the jump host .* failed/, /by hand: ssh root@/);
    });

    it('no ssh on this machine', async () => {
      const bin = machines.own('without-ssh');
      mkdirSync(bin, { recursive: true });
      // What leads to the laptop.
      for (const name of ['nsenter', 'setpriv']) symlinkSync(program(name), `${bin}/${name}`);
      await expectRefusal({}, /this machine has no ssh client/, /openssh-client/, { PATH: bin });
    });
  });

  describe('the account', () => {
    const admin = `ssh://admin@${ADDRESS.server1.v4}`;
    const shell = async (path: string) => {
      const passwd = keep(machines.own('server1/etc/passwd'));
      const other = passwd.replace(/^(admin:.*):[^:]*$/m, `$1:${path}`);
      writeFileSync(machines.own('server1/etc/passwd'), other);
    };

    it('has no shell', async () => {
      await shell('/usr/sbin/nologin');
      await expectRefusal({ server: admin }, /the account admin has no shell/, /chsh -s/);
    });

    it('has a shell that ends at once', { tags: 'long' }, async () => {
      await shell('/bin/false');
      await expectRefusal({ server: admin }, /no POSIX shell.*status 1 and said nothing/, /passwd/);
    });

    it('may run one command alone', async () => {
      const keys = machines.own('server1/authorized_keys');
      writeFileSync(keys, `command="echo only backups here" ${keep(keys)}`);
      await expectRefusal({}, /no POSIX shell.*said "only backups here"/, /ForceCommand/);
    });

    it('has a profile that drowns everything', async () => {
      for (const file of ['.bashrc', '.profile']) {
        keep(machines.own(`server1/home/admin/${file}`));
        writeFileSync(machines.own(`server1/home/admin/${file}`), 'cat /dev/zero\n');
      }
      await expectRefusal({ server: admin }, /printed more than sidetrack reads/, /ssh admin@192/);
    });

    const sudoers = (edit: (text: string) => string) =>
      writeFileSync(
        machines.own('server1/etc/sudoers'),
        edit(keep(machines.own('server1/etc/sudoers'))),
      );

    it('wants a password for sudo', async () => {
      sudoers((text) => text.replace('NOPASSWD: ', ''));
      const line = /echo 'admin ALL=\(root\) NOPASSWD: \/bin\/sh, \/usr\/bin\/sh/;
      await expectRefusal({ server: admin }, /sudo wants a password from admin/, line);
    });

    it('wants a terminal for sudo', { tags: 'long' }, async () => {
      sudoers((text) => `${text}Defaults requiretty\n`);
      await expectRefusal({ server: admin }, /sudo wants a terminal/, /Defaults:admin !requiretty/);
    });
  });

  describe('the machine', () => {
    it('has no nft', async () => {
      await onMachine('router', 'mv /sbin/nft /sbin/nft-away', 'mv /sbin/nft-away /sbin/nft');
      await expectRefusal({}, /the program "nft" is missing/, /nftables/);
    });

    it('has an ip without JSON', { tags: 'long' }, async () => {
      await onMachine(
        'router',
        'mv /sbin/ip /sbin/ip-away; ln -s /bin/busybox /sbin/ip',
        'rm /sbin/ip; mv /sbin/ip-away /sbin/ip',
      );
      await expectRefusal({}, /this ip cannot print JSON|"ip" is missing/, /ip-full/);
    });

    it('has no room', async () => {
      await onMachine(
        'router',
        'mkdir -p /run/sidetrack; mount -t tmpfs -o size=4k tmpfs /run/sidetrack; head -c 4096 /dev/zero >/run/sidetrack/full',
        'umount /run/sidetrack; rm -rf /run/sidetrack',
      );
      await expectRefusal({}, /No space left on device/, /writable|df/);
    });

    it('can write nothing', { tags: 'long' }, async () => {
      await onMachine(
        'router',
        'mkdir -p /run/sidetrack; mount -t tmpfs -o ro tmpfs /run/sidetrack',
        'umount /run/sidetrack; rm -rf /run/sidetrack',
      );
      await expectRefusal({}, /Read-only file system/, /writable|df/);
    });

    it('is both hosts of the configuration, by two names', async () => {
      withOptions('-o', `HostKeyAlias=${ADDRESS.router.v4}`);
      await expectRefusal(
        { server: `ssh://root@[${ADDRESS.router.v6}]` },
        /sidetrack\.yaml:6:\d+: router and server1 are the same host \(ssh:.* and ssh:/,
        /address of the other machine/,
      );
    });
  });

  it('what goes wrong at one host leaves the other as it was, and is over when it is mended', async () => {
    await onMachine('router', 'mv /sbin/nft /sbin/nft-away', ':');
    await expectRefusal({}, /"nft" is missing/, /nftables/);
    await machines.get('router').shell('mv /sbin/nft-away /sbin/nft');
    const { status, stderr } = await machines.sidetrack('apply');
    expect({ status, stderr }).toMatchObject({ status: 0 });
    await machines.sidetrack('down');
  });
});
