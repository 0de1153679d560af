import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  INTERPRETER_SCRIPT,
  INTERPRETERS,
  type Interpreter,
  type ProberTask,
  proberArgv,
  readProbe,
} from '../../../control/bench/prober.js';
import { runProcess } from '../../../control/hosts/process.js';
import { waitFor } from '../../../control/lab/wait.js';

const here = spawnSync('sh', ['-c', INTERPRETER_SCRIPT], { encoding: 'utf8' })
  .stdout.trim()
  .split('\n');

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const answers = (port: number, host: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ port, host }, () => resolve(true)).on('error', () => resolve(false));
    socket.on('close', () => socket.destroy()).unref();
  });

async function echo(interpreter: Interpreter): Promise<{ port: number; child: ChildProcess }> {
  const port = await freePort();
  const [file, ...args] = proberArgv(interpreter, { kind: 'echo', port });
  const child = spawn(file!, args, { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await waitFor('the echo to listen', () => answers(port, '127.0.0.1'));
  return { port, child };
}

async function probe(interpreter: Interpreter, task: ProberTask) {
  const { stdout, stderr } = await runProcess(proberArgv(interpreter, task));
  const read = readProbe(stdout);
  if (read === undefined) throw new Error(stderr || stdout);
  return read;
}

it('this machine has at least Node, which runs this', () => {
  expect(here).toContain('node');
});

describe.each(INTERPRETERS)('the prober in %s', (name) => {
  it.skipIf(!here.includes(name))('answers, on both families', async () => {
    const { port } = await echo(name);
    const knock = (address: string) =>
      probe('node', { kind: 'latency', address, port, seconds: 1, periodMs: 20 });
    const both = await Promise.all(['127.0.0.1', '::1'].map(knock));
    for (const { times, count, failed, seconds } of both) {
      expect({ failed, count: times.length }).toEqual({ failed: 0, count });
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThanOrEqual(51);
      expect(seconds).toBeLessThan(30);
    }
  });

  it.skipIf(!here.includes(name))('knocks: over one connection, and over many', async () => {
    const { port } = await echo('node');
    const way = { address: '127.0.0.1', port, seconds: 1 };
    const small = await probe(name, { kind: 'latency', ...way, periodMs: 20 });
    expect(small).toMatchObject({ failed: 0, count: small.times.length });
    expect(small.count).toBeGreaterThan(5);
    const many = await probe(name, { kind: 'connect', ...way, workers: 4, most: 40 });
    expect(many).toMatchObject({ failed: 0, count: 40 });
    expect(many.times.every((one) => one > 0)).toBe(true);
  });

  it.skipIf(!here.includes(name))('ends and says so where nobody answers', async () => {
    const way = { address: '127.0.0.1', port: await freePort(), seconds: 1 };
    expect(await probe(name, { kind: 'latency', ...way, periodMs: 20 })).toMatchObject({
      count: 0,
      failed: 1,
    });
    const many = await probe(name, { kind: 'connect', ...way, workers: 2, most: 10 });
    expect(many).toMatchObject({ count: 0, failed: 10 });
  });
});

it('another text is no report', () => {
  expect(readProbe('')).toBeUndefined();
  expect(readProbe('{"times":[1],"count":1}')).toBeUndefined();
});
