/** The lab as a user meets it: up, exec, status, down; and what is left when its owner dies. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runProcess } from '../../control/hosts/process.js';
import { Lab } from '../../control/lab/lab.js';
import { openDirectories } from '../open-checkout.js';
import { CLI, waitFor } from './fixture.js';

// The registry lies there if it is set, and a lab has a /run of its own.
delete process.env.XDG_RUNTIME_DIR;

const NAME = `test-${process.pid}`;
const lab = (...args: string[]) => runProcess([process.execPath, CLI, 'lab', ...args]);

afterAll(() => lab('down', '--name', NAME));

describe('a lab that outlives its command', () => {
  it('comes up, is listed, runs programs on its nodes, and goes', async () => {
    expect((await lab('up', '--name', NAME)).stdout).toContain('client 192.168.1.10');
    expect((await lab('status')).stdout.split('\n')).toContain(NAME);
    const ping = ['ping', '-c1', '-W5', '198.51.100.9'];
    expect((await lab('exec', '--name', NAME, 'client2', '--', ...ping)).status).toBe(0);
    expect((await lab('exec', '--name', NAME, 'client', '--', 'sh', '-c', 'exit 7')).status).toBe(
      7,
    );
    const own = await lab('exec', '--name', NAME, 'all', '--', 'sidetrack', '--version');
    expect(own.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    // From inside it cannot be seen, and must still be there afterwards. Root keeps its registry where
    // root inside looks for them.
    const known = process.getuid!() === 0;
    const inside = (...args: string[]) =>
      lab('exec', '--name', NAME, 'client', '--', 'sidetrack', 'lab', ...args);
    expect(await inside('status')).toMatchObject({
      status: 0,
      stdout: expect.not.stringContaining(NAME),
      stderr: known ? expect.stringContaining(NAME) : '',
    });
    expect((await inside('down', '--name', NAME)).stderr).toContain(
      known ? 'another PID namespace' : 'no lab',
    );
    expect((await lab('status')).stdout.split('\n')).toContain(NAME);
    expect((await lab('up', '--name', NAME)).stderr).toContain('already running');
    expect((await lab('exec', '--name', NAME, 'nobody', 'true')).stderr).toContain('its nodes are');
    expect((await lab('down', '--name', NAME)).status).toBe(0);
    expect((await lab('status')).stdout.split('\n')).not.toContain(NAME);
    expect((await lab('down', '--name', NAME)).status).toBe(2);
  });
});

describe('a lab with three servers', () => {
  it('has them on the clients’ network, is remembered so, and prints a configuration for them', async () => {
    expect((await lab('up', '--name', NAME, '--servers', '17')).stderr).toContain('1 to 16');
    const up = await lab('up', '--name', NAME, '--servers', '3');
    expect(up.stdout).toContain('server3 192.168.1.4  fd00:1::4');
    expect(up.stdout).toContain('server3 -- sidetrack relay --server server3');
    for (const address of ['192.168.1.4', 'fd00:1::4']) {
      const ping = ['exec', '--name', NAME, 'client', '--', 'ping', '-c1', '-W5', address];
      expect((await lab(...ping)).status).toBe(0);
    }
    const outward = ['server3', '--', 'ping', '-c1', '-W5', '198.51.100.9'];
    expect((await lab('exec', '--name', NAME, ...outward)).status).toBe(0);
    const config = await lab('config', '--name', NAME);
    expect(config.stdout.match(/^ {2}- name: server\d/gm)).toHaveLength(3);
    expect((await lab('down', '--name', NAME)).status).toBe(0);
  });
});

describe.skipIf(process.getuid!() !== 0)('a checkout below a closed directory', () => {
  it('can be read by nobody in the lab, and what lies beside it cannot', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'sidetrack-closed-'));
    const files = ['a/checkout/file', 'b/node/file', 'beside/file'];
    for (const file of files) {
      mkdirSync(join(closed, dirname(file)), { recursive: true });
      writeFileSync(join(closed, file), 'read\n');
    }
    const lab = await Lab.start();
    try {
      const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
      const read = async (file: string) =>
        (await lab.run(undefined, [...nobody, 'cat', join(closed, file)])).stdout;
      expect(await Promise.all(files.map(read))).toEqual(['', '', '']);
      await openDirectories(lab, [join(closed, 'a/checkout'), join(closed, 'b/node')]);
      expect(await Promise.all(files.map(read))).toEqual(['read\n', 'read\n', '']);
    } finally {
      lab.stop();
      rmSync(closed, { recursive: true });
    }
  });
});

describe('a lab whose owner ends', () => {
  /** A file of /proc; empty when the process has just ended. */
  function read(path: string): string {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  }

  /** PIDs below `pid`, itself not included. */
  function descendants(pid: number): number[] {
    const children = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ');
    return children
      .filter(Boolean)
      .map(Number)
      .flatMap((child) => [child, ...descendants(child)]);
  }

  const alive = (pid: number) => {
    try {
      // A zombie has ended; it only waits to be reaped.
      return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
    } catch {
      return false;
    }
  };

  it.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)('by %s leaves nothing', async (signal) => {
    const TMPDIR = mkdtempSync(join(tmpdir(), 'sidetrack-owner-'));
    const env = { ...process.env, TMPDIR };
    const owner = spawn(process.execPath, [CLI, 'lab', 'demo'], { stdio: 'ignore', env });
    let inside: number[] = [];
    await waitFor('iperf3 in the lab', () => {
      inside = descendants(owner.pid!);
      return inside.some((pid) => commandOf(pid).startsWith('iperf3'));
    });
    owner.kill(signal);
    await waitFor('every process of the lab to end', () => !inside.some(alive));
    expect(readdirSync(TMPDIR)).toEqual([]);
    rmSync(TMPDIR, { recursive: true });
  });

  const commandOf = (pid: number) => read(`/proc/${pid}/cmdline`);
});
