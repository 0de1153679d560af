/** `sidetrack top` in a real terminal: what it shows, what keys do, and how it leaves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { Fixture } from './fixture.js';
import { type HeldConnection, holdConnection } from './hold.js';
import { hasTmux, Terminal } from './terminal.js';

const USUAL = { columns: 80, rows: 24 };
const requireAll = Boolean(process.env.SIDETRACK_REQUIRE_ALL);

let fixture: Fixture;
let relay: LabProcess;
const held: HeldConnection[] = [];
const open: Terminal[] = [];

async function terminal(size = USUAL, env = ''): Promise<Terminal> {
  const one = await Terminal.open(fixture, 'server1', size, env);
  open.push(one);
  return one;
}

const PICTURE = /relay on port 12345: \d open/;

/** A terminal with the picture in it. */
async function shown(): Promise<Terminal> {
  const one = await terminal();
  await one.start('top');
  await one.waitFor('the picture', (text) => PICTURE.test(text));
  return one;
}

describe.skipIf(!hasTmux && !requireAll)('sidetrack top', () => {
  beforeAll(async () => {
    fixture = await Fixture.start();
    fixture.configure(LAB_CONFIG);
    relay = await fixture.startRelay();
    await fixture.succeed('apply');
    // One after the other, as their numbers are then.
    for (let i = 0; i < 3; i++) held.push(await holdConnection(fixture, 'client'));
  });
  afterAll(() => fixture?.stop());
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close().catch(() => undefined);
  });

  it('shows connections, clients, rules, upstreams and hosts', async () => {
    const top = await shown();
    const lines = await top.screen();
    expect(lines[1]).toMatch(/type: sidetrack|^ok/);
    expect(lines[2]).toMatch(/^1 connections 2 clients 3 rules .* by rate, 1-3 of 3$/);
    expect(lines[4]).toMatch(
      new RegExp(`^> ?\\d+ ${ADDRESS.client.v4}:\\d+ +${ADDRESS.internet.v4}:7 `),
    );
    expect(lines[23]).toMatch(/^q quit/);
    await top.press('2');
    await top.waitFor('the client', (_, [, , , , row = '']) =>
      row.startsWith(`>${ADDRESS.client.v4} `),
    );
    await top.press('Tab');
    await top.waitFor('the route', (text) => /default +relay +route/.test(text));
    await top.press('4');
    await top.waitFor('the upstream', (text) => /^>direct +up .* 3 /m.test(text));
    await top.press('5');
    await top.waitFor('what to start', (text) => text.includes('sidetrack exporter'));
    await top.press('?');
    await top.waitFor('the keys', (text) => text.includes('Sort hosts by'));
    await top.press('q', 'q');
    expect(await top.left()).toBe(0);
  });

  it('draws for the window that there is', async () => {
    const top = await shown();
    await top.resize({ columns: 40, rows: 7 });
    await top.waitFor('a small picture', (_, lines) => (lines[6] ?? '').startsWith('q quit'));
    await top.resize({ columns: 150, rows: 40 });
    await top.waitFor(
      'a large one',
      (text, lines) => (lines[39] ?? '').startsWith('q quit') && text.includes('rtt ms'),
    );
    await top.resize({ columns: 1, rows: 1 });
    await top.resize(USUAL);
    await top.waitFor('the usual one', (_, lines) => (lines[23] ?? '').startsWith('q quit'));
    await top.press('C-c');
    expect(await top.left()).toBe(0);
  });

  it('filters, pauses and closes what was chosen', async () => {
    const [victim] = held;
    const top = await shown();
    await top.type('/to 192.0.2.0/24');
    await top.waitFor('the filter', (text) => text.includes('0 of 3: to 192.0.2.0/24'));
    await top.press('Enter', 'X');
    await top.waitFor('a word', (text) => text.includes('no connection to close'));
    await top.press('Escape');
    await top.waitFor('all of them', (text) => text.includes('by rate, 1-3 of 3'));
    await top.press('a', 'p');
    await top.waitFor('the pause', (text) => text.includes('PAUSED'));
    await top.press('p', 'x');
    await top.waitFor('the question', (text) => /^close \d+: .* y\/n$/m.test(text));
    await top.press('n');
    await top.waitFor('no', (text) => text.includes('nothing was closed'));
    await top.press('a', 'a');
    await top.waitFor('the message to go', (text) => !text.includes('nothing was closed'));
    await top.type('xy');
    await top.waitFor('what is pasted to close nothing', (text) =>
      text.includes('nothing was closed'),
    );
    await top.press('x');
    await top.waitFor('the question', (text) => /^close \d+: .* y\/n$/m.test(text));
    await top.press('y');
    await top.waitFor(
      'it to be closed',
      (text) => text.includes('closed 1 connection') && text.includes(': 2 open'),
    );
    // The oldest one; numbers say nothing of that, for each thread has its own.
    await expect(victim!.roundTrip('x')).rejects.toThrow();
    await held[2]!.roundTrip('still here');
    await top.press('X');
    await top.waitFor('the question', (text) =>
      text.includes('close 2 connections, ALL (no filter)? y/n'),
    );
    await top.press('q');
    await top.waitFor('no', (text) => text.includes('nothing was closed'));
    await top.press('q');
    expect(await top.left()).toBe(0);
    held[0] = await holdConnection(fixture, 'client');
  });

  const leavesAfter = async (signal: string, status: number) => {
    const top = await shown();
    await top.signal(signal);
    expect(await top.left()).toBe(status);
  };

  it('leaves the terminal as it was after SIGTERM', () => leavesAfter('TERM', 143));

  it.each([
    ['HUP', 129],
    ['INT', 130],
    ['QUIT', 131],
  ])('leaves the terminal as it was after SIG%s', { tags: 'long' }, leavesAfter);

  it('leaves the terminal as it was after an error that nobody thought of', async () => {
    const throwing = join(fixture.directory, 'throw.mjs');
    writeFileSync(throwing, "process.on('SIGUSR2', () => { throw new Error('provoked'); });\n");
    const top = await terminal(USUAL, `env NODE_OPTIONS=--import=${throwing}`);
    await top.start('top');
    await top.waitFor('the picture', (text) => PICTURE.test(text));
    await top.signal('USR2');
    expect(await top.left()).toBe(1);
    expect((await top.screen()).join('\n')).toContain('error: unexpected: provoked');
  });

  it('ends with its terminal', async () => {
    const top = await shown();
    await top.close();
    await top.waitForEnd();
  });

  it('stops with Ctrl-Z and goes on with fg', async () => {
    const top = await shown();
    await top.press('C-z');
    await top.waitFor('the shell', (text) => /Stopped/.test(text) && !text.includes('q quit'));
    expect(await top.isAsBefore()).toBe(true);
    await top.type('fg');
    await top.press('Enter');
    await top.waitFor('the picture', (text) => PICTURE.test(text) && text.includes('q quit'));
    expect(await top.isAsBefore()).toBe(false);
    await top.signal('STOP');
    await top.waitFor('the shell', (text) => /Stopped/.test(text));
    await top.type('fg');
    await top.press('Enter');
    await top.waitFor('the picture', (_, lines) => PICTURE.test(lines[0]!));
    await top.press('q');
    // The shell's line ended when the command stopped.
    await top.waitFor('the shell', (text) => !text.includes('q quit'));
    expect(await top.isAsBefore()).toBe(true);
  });

  it('has colours where the terminal has them, and NO_COLOR does not forbid them', async () => {
    const styled = async (env: string) => {
      const top = await terminal(USUAL, env);
      await top.start('top');
      await top.waitFor('the picture', (text) => PICTURE.test(text));
      return top.styledScreen();
    };
    const colour = /\[[\d;]*3[1-7]m/;
    expect(await styled('env -u NO_COLOR')).toMatch(colour);
    expect(await styled('env NO_COLOR=1')).not.toMatch(colour);
    expect(await styled('env -u NO_COLOR TERM=vt100')).not.toMatch(colour);
  });

  it('waits for a relay that goes away, and goes on with the next one', async () => {
    const top = await shown();
    relay.signal('SIGKILL');
    await relay.exited;
    await top.waitFor('the news', (text) => /no relay runs .*; waiting for it/.test(text));
    relay = await fixture.startRelay();
    await top.waitFor('the next one', (text) => /: 0 open/.test(text) && !text.includes('waiting'));
    // One that hangs holds nobody.
    relay.signal('SIGSTOP');
    await top.press('1', 'q');
    expect(await top.left()).toBe(0);
    relay.signal('SIGCONT');
  });
});
