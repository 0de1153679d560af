import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Command } from '../../../control/command/command.js';
import { heartbeatFileText } from '../../../control/heartbeat/key-file.js';
import { stepData } from '../../../control/plan/step.js';
import { heartbeatKey } from '../../../control/resources/heartbeat-key.js';
import { bareRouter } from '../plan/fixtures.js';

const KEY = 'ef'.repeat(32);
const to = [{ address: '192.168.1.1', port: 9155 }];
const content = heartbeatFileText({ server: 'server1', key: KEY, from: '192.168.1.2', to });
const WANTED = { content, group: 'sidetrack-relay' };

/** A machine's directory, and the commands run there for real. */
function machine() {
  const stateDir = mkdtempSync(join(tmpdir(), 'sidetrack-key-'));
  onTestFinished(() => rmSync(stateDir, { recursive: true }));
  const run = ({ argv, stdin = '' }: Command) => {
    const { status, stdout } = spawnSync(argv[0]!, argv.slice(1), {
      input: stdin,
      encoding: 'utf8',
    });
    return { status: status!, stdout, stderr: '' };
  };
  const observed = () => {
    const host = bareRouter({ stateDir, ownsEtc: false });
    const { commands, parse } = heartbeatKey.observe(host);
    const answers = commands.map((command) => ({ host, command, result: run(command) }));
    return { ...host, ...parse(...answers) };
  };
  return { run, observed, file: join(stateDir, 'heartbeat.json') };
}

describe('the key of heartbeats', () => {
  it('is written for its owner and a group, kept, and taken away with its counter', () => {
    const { run, observed, file } = machine();
    expect(observed().heartbeat).toBeUndefined();
    const [change] = heartbeatKey.diff(WANTED, observed());
    expect(run(heartbeatKey.apply(change!, observed())).status).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(content);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(observed().heartbeat).toEqual({ content, mode: 0o640, group: process.getgid!() });
    expect(heartbeatKey.diff(WANTED, observed())).toEqual([]);

    for (const command of heartbeatKey.undo(change!, observed())) run(command);
    expect(observed().heartbeat).toBeUndefined();
    run(heartbeatKey.apply(change!, observed()));
    for (const one of heartbeatKey.remove(observed())) run(heartbeatKey.apply(one, observed()));
    expect(observed().heartbeat).toBeUndefined();
    expect(heartbeatKey.remove(observed())).toEqual([]);
  });

  it('is written anew where its group is another, its mode, or what it says', () => {
    const found = { content, mode: 0o640, group: 7 };
    const groups = { 'sidetrack-relay': 7 };
    const changes = (heartbeat: typeof found, others = groups) =>
      heartbeatKey.diff(WANTED, bareRouter({ heartbeat, groups: others })).length;
    expect(changes(found)).toBe(0);
    expect(changes({ ...found, group: 8 })).toBe(1);
    expect(changes({ ...found, mode: 0o644 })).toBe(1);
    expect(changes({ ...found, content: content.replace('9155', '9156') })).toBe(1);
    // The service does not run, so it has no group: what is there may be its.
    expect(heartbeatKey.diff(WANTED, bareRouter({ heartbeat: found }))).toEqual([]);
  });

  it('is for the group of a service that runs only from a step before on, by its name', () => {
    const { run, observed, file } = machine();
    const [group, , number] = execFileSync('getent', ['group', String(process.getgid!())], {
      encoding: 'utf8',
    }).split(':');
    const diff = (name: string) => heartbeatKey.diff({ ...WANTED, group: name }, bareRouter())[0]!;
    expect(diff('sidetrack-relay')).toMatchObject({ group: 'sidetrack-relay' });
    const change = heartbeatKey.diff({ ...WANTED, group: group! }, observed())[0]!;
    if (change.kind !== 'write') throw new Error(`it is to ${change.kind} the file`);
    expect(run(heartbeatKey.apply(change, observed())).status).toBe(0);
    expect(statSync(file).gid).toBe(Number(number));
    // A name that nothing knows is no reason to fail: the owner may read it.
    expect(run(heartbeatKey.apply({ ...change, group: 'no-such-group' }, observed())).status).toBe(
      0,
    );
  });

  it('changes nothing for who may not read it', () => {
    const heartbeat = { content: '', mode: 0o640, group: 7, unread: true } as const;
    expect(heartbeatKey.diff(WANTED, bareRouter({ heartbeat }))).toEqual([]);
  });

  it('is never shown', () => {
    const host = bareRouter({
      heartbeat: { content: content.replace('ef', 'fe'), mode: 0o640, group: 0 },
    });
    const [change] = heartbeatKey.diff(WANTED, host);
    const undo = heartbeatKey.undo(change!, host);
    const step = { host: 'server1', title: heartbeatKey.title(change!), undo };
    const shown = JSON.stringify([
      stepData({ ...step, ...heartbeatKey.apply(change!, host) }),
      heartbeatKey.differences(change!, host),
      heartbeatKey.readBack!(change!),
    ]);
    expect(shown).not.toContain('efef');
    expect(shown).toContain('<secret>');
  });
});
