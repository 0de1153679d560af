/** Steps of a relay that is a unit: which, in which order, and how each is undone. */
import { describe, expect, it } from 'vitest';
import type { DesiredRelay, ObservedRelay } from '../../../control/plan/state.js';
import { relayOf } from '../../../control/resources/relay-query.js';
import { relayUnit } from '../../../control/resources/relay-unit.js';
import { bareRouter } from '../plan/fixtures.js';

const OURS = { content: '# Written by sidetrack apply\n', mode: 0o644 };
const STOPPED: ObservedRelay = { hasSystemd: true, isActive: false, isEnabled: false };
const RUNNING: ObservedRelay = { ...STOPPED, isActive: true, isEnabled: true, config: OURS };
const PACKAGE = { version: '2', architecture: 'amd64', contents: 'b', base64: 'AA==\n' };
const WISH: DesiredRelay = { config: OURS.content, passwordFiles: [], port: 12345 };

const host = (relay?: ObservedRelay) => bareRouter(relay && { relay });
const titles = (wish: DesiredRelay | undefined, found?: ObservedRelay) =>
  relayUnit.diff(wish, host(found)).map(relayUnit.title);

describe('the relay unit', () => {
  it('is left alone without a wish, and where it is as wished', () => {
    expect(titles(undefined, RUNNING)).toEqual([]);
    expect(titles(WISH, RUNNING)).toEqual([]);
    expect(titles(WISH)).toEqual([]);
  });

  it('is configured before it is installed, and started last', () => {
    const wish = { ...WISH, package: PACKAGE, dropIn: 'x\n', passwordFiles: ['/etc/p'] };
    expect(titles(wish, STOPPED)).toEqual([
      'look for the password files of the relay',
      'write /etc/sidetrack/sidetrack.yaml',
      'write /etc/systemd/system/sidetrack-relay.service.d/sidetrack.conf',
      'install sidetrack 2',
      'start the relay, and wait until it accepts on port 12345',
    ]);
  });

  it('hands over once for a new package and a new configuration', () => {
    const wish = { ...WISH, config: 'new\n', package: PACKAGE };
    const found = { ...RUNNING, installed: { version: '1', contents: 'a' } };
    expect(titles(wish, found)).toEqual([
      'write /etc/sidetrack/sidetrack.yaml',
      'install sidetrack 2 in place of 1, to which the relay hands over',
    ]);
    expect(titles({ ...WISH, config: 'new\n' }, RUNNING)).toEqual([
      'write /etc/sidetrack/sidetrack.yaml',
      'the relay hands over to one with the new configuration',
    ]);
  });

  it('is restarted only for what a hand-over cannot bring, and that is told as destructive', () => {
    const changes = relayUnit.diff({ ...WISH, dropIn: 'x\n' }, host(RUNNING));
    expect(changes.map(({ kind }) => kind)).toEqual(['write', 'restart']);
    const last = relayUnit.differences(changes.at(-1)!, host(RUNNING));
    expect(last).toMatchObject([{ kind: 'unit', destructive: true, flows: 'break' }]);
  });

  it('gets its files back before it takes them again', () => {
    const found = { ...RUNNING, dropIn: { content: 'x\n', mode: 0o644 } };
    const changes = relayUnit.diff({ ...WISH, config: 'new\n' }, host(found));
    expect(changes.map(({ kind }) => kind)).toEqual(['write', 'delete', 'restart']);
    const undone = changes.toReversed().flatMap((change) => relayUnit.undo(change, host(found)));
    expect(undone.map(({ writes, purpose }) => writes ?? purpose)).toEqual([
      '/etc/systemd/system/sidetrack-relay.service.d/sidetrack.conf',
      '/etc/sidetrack/sidetrack.yaml',
      'restarting the relay',
    ]);
  });

  it('takes a first package away again, and no other one', () => {
    const undoOf = (found: ObservedRelay) =>
      relayUnit
        .diff({ ...WISH, package: PACKAGE }, host(found))
        .filter(({ kind }) => kind === 'install')
        .flatMap((change) => relayUnit.undo(change, host(found)))
        .map(({ argv }) => argv.join(' '));
    expect(undoOf(STOPPED)).toEqual(['dpkg --purge sidetrack']);
    expect(undoOf({ ...RUNNING, installed: { version: '1', contents: 'a' } })).toEqual([]);
  });

  it('goes with down where apply has made it, and the package stays', () => {
    expect(relayUnit.remove(host(RUNNING)).map(relayUnit.title)).toEqual([
      'stop the relay',
      'remove /etc/sidetrack/sidetrack.yaml',
    ]);
    const foreign = { ...RUNNING, config: { content: 'router:\n', mode: 0o644 } };
    expect(relayUnit.remove(host(foreign))).toEqual([]);
    expect(relayUnit.remove(host())).toEqual([]);
  });
});

describe('what a machine says of it', () => {
  it('is read line by line, and nothing that is no version is a version', () => {
    expect(
      relayOf(
        'systemd\nactive\nunit /usr/lib/systemd/system/x\narchitecture arm64\nsidetrack installed 0.1.0 abc\nnodejs installed \x1b[31m \n',
      ),
    ).toEqual({
      hasSystemd: true,
      isActive: true,
      isEnabled: false,
      architecture: 'arm64',
      unitFile: '/usr/lib/systemd/system/x',
      installed: { version: '0.1.0', contents: 'abc' },
    });
  });

  it('shows nobody what is no path and no architecture', () => {
    const said = 'systemd\nunit /etc/\x1b[2J\narchitecture \x07\n';
    expect(relayOf(said)).toEqual({ hasSystemd: true, isActive: false, isEnabled: false });
  });

  it('knows a package that was removed, or never there', () => {
    expect(
      relayOf('architecture amd64\nsidetrack config-files 0.1.0 abc\n').installed,
    ).toBeUndefined();
    expect(relayOf('')).toEqual({ hasSystemd: false, isActive: false, isEnabled: false });
  });
});
