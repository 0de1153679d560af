/**
 * The way to a host behind ssh, with a program in ssh's place that starts the far shell here. What sshd and dropbear do
 * is tried in the lab.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Command } from '../../../control/command/command.js';
import type { Transport } from '../../../control/hosts/host.js';
import { closeAll } from '../../../control/hosts/open.js';
import { sshTransport } from '../../../control/hosts/ssh-transport.js';

const ADDRESS = 'ssh://root@router';
const FAR = 'exec sh -c "$last"';

let directory: string;
let host: Transport;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-ssh-'));
  mkdirSync(own('bin'));
  program('id', 'echo 0');
  far(FAR);
  vi.stubEnv('SIDETRACK_SSH', `${own('bin/ssh')} -F '${own('a config')}'`);
  vi.stubEnv('PATH', `${own('bin')}:${process.env.PATH}`);
  vi.stubEnv('SSH_CONNECTION', '192.0.2.1 50000 192.0.2.2 22');
  host = sshTransport(ADDRESS, { user: 'root', host: 'router' });
});
afterEach(async () => {
  await closeAll();
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

const own = (name: string) => join(directory, name);

function program(name: string, script: string): void {
  writeFileSync(own(`bin/${name}`), `#!/bin/sh\n${script}\n`);
  chmodSync(own(`bin/${name}`), 0o755);
}

/** What ssh is from now on; `$last` is the command for the far shell, `$number` counts the connections. */
function far(script: string): void {
  const start = `for last; do :; done
echo "$@" >>${own('connections')}
number=$(grep -c . ${own('connections')})
`;
  program('ssh', start + script);
}

const linesOf = (name: string): string[] =>
  existsSync(own(name)) ? readFileSync(own(name), 'utf8').split('\n').slice(0, -1) : [];
const connections = () => linesOf('connections').length;
const sh = (script: string): Command => ({ argv: ['sh', '-c', script, 'sh', directory] });
/** A command that counts how often it was run. */
const mark = (name = 'marks'): Command => sh(`echo x >>"$1/${name}"; echo marked`);
const lock = () => ({ path: own('state/lock'), owner: { machine: 'a', pid: 1 }, directories: [] });

describe('ssh', () => {
  it('is started once, asks nothing, and is told no port that the address does not name', async () => {
    expect((await host.run({ argv: ['cat'], stdin: "it's\n" })).stdout).toBe("it's\n");
    const said = await host.batch([sh('echo "$SSH_CONNECTION"; umask'), { argv: ['false'] }]);
    expect(said.map(({ status }) => status)).toEqual([0, 1]);
    expect(said[0]!.stdout).toBe('192.0.2.1 50000 192.0.2.2 22\n0022\n');
    expect(host.roundTrips).toBe(2);
    const [words, ...others] = linesOf('connections');
    expect(others).toEqual([]);
    for (const option of ['BatchMode=yes', 'ControlPath=none', 'ForwardAgent=no', 'RequestTTY=no'])
      expect(words).toContain(`-o ${option}`);
    expect(words).toContain(`-F ${own('a config')} -o`);
    expect(words).toMatch(/ -l root -- router exec sh -c '/);
    expect(words).not.toContain(' -p ');
    const other = sshTransport(`${ADDRESS}:2222`, { user: 'root', host: 'router', port: 2222 });
    await other.run({ argv: ['true'] });
    expect(linesOf('connections')[1]).toContain(' -p 2222 -l root -- router ');
  });

  it('has one quoted line for any login shell', async () => {
    await host.run({ argv: ['true'] });
    const [, command = ''] = linesOf('connections')[0]!.split(' -- router ');
    expect(command).toMatch(/^exec sh -c '[^'!\\]*' sidetrack '[^'!\\]*'$/);
  });

  it('may print what it likes before a shell answers', async () => {
    far(`seq 20000; seq 20000 >&2; ${FAR}`);
    expect(await host.run({ argv: ['echo', 'a'] })).toEqual({
      status: 0,
      stdout: 'a\n',
      stderr: '',
    });
  });

  it('is closed with the command line, and opened again where it is used again', async () => {
    far(`echo $$ >${own('pid')}; ${FAR}`);
    await host.run(mark());
    const pid = Number(readFileSync(own('pid'), 'utf8'));
    await closeAll();
    expect(() => process.kill(pid, 0)).toThrow();
    await host.run(mark());
    expect(connections()).toBe(2);
    await host.close();
  });

  it('has connections of their own for who wants them', async () => {
    const fresh = host.fresh();
    await Promise.all([host.run(mark()), fresh.run(mark())]);
    expect([connections(), host.roundTrips, fresh.roundTrips]).toEqual([2, 1, 1]);
  });

  it('gives its own reason when there is no way', async () => {
    far('echo "ssh: connect to host router port 22: Connection refused" >&2; exit 255');
    await expect(host.batch([mark()])).rejects.toMatchObject({
      message: expect.stringMatching(/^ssh:\/\/root@router: .*refused/),
    });
    expect(connections()).toBe(1);
  });

  it('becomes root by sudo, which asks nothing', async () => {
    program('id', 'echo 1000');
    program('sudo', `printf '%s\\n' "$*" >${own('sudo')}; shift 2; exec env -i PATH="$PATH" "$@"`);
    const said = await host.run(sh('echo "$SSH_CONNECTION"'));
    expect(said.stdout).toBe('192.0.2.1 50000 192.0.2.2 22\n');
    expect(linesOf('sudo')[0]).toMatch(/^-n -- sh -c /);
    program('sudo', 'echo "sudo: a password is required" >&2; exit 1');
    await expect(host.fresh().run(mark())).rejects.toMatchObject({
      message: expect.stringMatching(/^ssh:\/\/root@router: .*password/),
    });
  });
});

describe('a connection that breaks', () => {
  /** Of the first `number` connections no more than some bytes of the answers arrive. */
  const cut = (number: number, bytes: number) =>
    far(
      `[ $number -gt ${number} ] || { sh -c "$last" | { head -c ${bytes}; kill -9 $$; }; }; ${FAR}`,
    );

  it.each([0, 20, 60, 90])('after %i bytes is opened once more for a question', async (bytes) => {
    await host.run(mark('first'));
    await host.close();
    rmSync(own('connections'));
    cut(1, bytes);
    const questions = [mark(), sh('seq 100')];
    if (bytes <= 20) {
      // Nothing had ever come by this connection: there is no way.
      await expect(host.batch(questions)).rejects.toMatchObject({ source: 'host' });
      return;
    }
    const said = await host.batch(questions);
    expect(said.map(({ stdout }) => stdout.length)).toEqual([7, 292]);
    expect(connections()).toBe(2);
    cut(9, bytes);
    await expect(host.fresh().batch(questions)).rejects.toMatchObject({ source: 'host' });
    expect(connections()).toBe(4);
  });

  it('between two questions is opened once more', async () => {
    far(`echo $$ >${own('pid')}; ${FAR}`);
    await host.batch([mark()]);
    process.kill(Number(readFileSync(own('pid'), 'utf8')), 'SIGKILL');
    expect((await host.batch([mark()]))[0]!.stdout).toBe('marked\n');
    expect([connections(), linesOf('marks').length]).toEqual([2, 2]);
  });

  it.each([20, 60, 90])('after %i bytes is not opened for what is done once', async (bytes) => {
    cut(1, bytes);
    await expect(host.run(mark())).rejects.toMatchObject({ source: 'host' });
    expect(connections()).toBe(1);
    expect(linesOf('marks').length).toBeLessThan(2);
  });

  it('is told without what the shell has said before', async () => {
    far(`sh -c "$last"; echo "Timeout, server router not responding." >&2; exit 255`);
    const error: Error = await host.run(sh('kill -9 $PPID')).catch((one) => one);
    expect(error.message).toBe(`${ADDRESS}: the connection was lost`);
    far(`sh -c "$last"; echo "something new" >&2; exit 255`);
    const other: Error = await host
      .fresh()
      .run(sh('kill -9 $PPID'))
      .catch((one) => one);
    expect(other.message).toMatch(/^ssh:\/\/root@router: [^\n]*something new$/);
  });

  it('takes the lock along, and nothing that was sent is sent again', async () => {
    const session = await host.session(lock());
    const [first] = await session.batch([mark()]);
    expect(first!.stdout).toBe('marked\n');
    const broken = session.batch([mark('second'), sh('kill -9 $PPID'), mark('third')]);
    await expect(broken).rejects.toMatchObject({
      message: `${ADDRESS}: the shell ended (status 137) before "sh -c kill -9 $PPID" did`,
    });
    await expect(session.batch([mark('second')])).rejects.toMatchObject({
      code: 'connection-lost',
    });
    await expect(host.batch([mark('second')])).rejects.toMatchObject({ code: 'connection-lost' });
    expect([linesOf('second').length, linesOf('third').length, connections()]).toEqual([1, 0, 1]);
    await session.end();
    const again = await host.session(lock());
    await again.end();
    expect(existsSync(own('state/lock'))).toBe(false);
    expect(connections()).toBe(2);
  });

  it.each([1, 10, 100, 300])('after %i bytes of a script lets none of it run', async (bytes) => {
    far(
      `mkfifo ${own('fifo')}; sh -c "$last" <${own('fifo')} & head -c ${bytes} >${own('fifo')}; wait; exit 255`,
    );
    await expect(host.run(mark())).rejects.toMatchObject({ source: 'host' });
    expect(linesOf('marks')).toEqual([]);
  });
});

describe('a way that was closed', () => {
  it('is remembered by nothing: a program that runs for months makes one again and again', async () => {
    const places: WeakRef<object>[] = [];
    for (let i = 0; i < 3; i++) {
      const location = { kind: 'ssh', user: 'root', host: `router${i}` } as const;
      const way = sshTransport(ADDRESS, location);
      await way.batch([mark()]);
      await way.close();
      places.push(new WeakRef(location));
    }
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    if (typeof collect !== 'function') throw new Error('no gc');
    await expect
      .poll(() => {
        collect();
        return places.filter((place) => place.deref() !== undefined).length;
      })
      .toBeLessThan(2);
  });
});
