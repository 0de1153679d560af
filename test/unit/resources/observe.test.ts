import { describe, expect, it } from 'vitest';
import { programOf, type RunResult } from '../../../control/command/command.js';
import { parseAnswers } from '../../../control/command/query.js';
import { TABLE_NAME_FILE } from '../../../control/plan/paths.js';
import type { ObservedFrom } from '../../../control/plan/state.js';
import { resourcesQuery } from '../../../control/resources/observe.js';
import { RESOURCES } from '../../../control/resources/registry.js';

const HOST: ObservedFrom = {
  address: 'local',
  stateDir: '/run/sidetrack',
  ownsEtc: true,
  sidetrack: ['sidetrack'],
  bpfDirectory: '/sys/fs/bpf/sidetrack',
};

const ok = (stdout: string): RunResult => ({ status: 0, stdout, stderr: '' });
const failed = (stderr: string): RunResult => ({ status: 1, stdout: '', stderr });

const SAID: Readonly<Record<string, RunResult>> = {
  nft: ok('{"nftables":[{"metainfo":{}}]}\n'),
  'ip -j -4 -N -d rule': ok('[{"priority":1500,"iif":"br-lan","table":"250","protocol":"150"}]'),
  'ip -j -6 -N -d rule': ok(''),
  'ip -j -4 -N route': ok('[{"dst":"default","table":"250","dev":"lo","type":"2"}]'),
  'ip -j -6 -N route': ok('[]'),
  grep: ok('/proc/sys/net/ipv4/ip_forward:1\n'),
  cat: ok('-rw-r--r-- 1 0 0 3 Nov  1 10:00 /etc/x\n250\n'),
  sidetrack: ok(''),
  'sh -c list=': ok('missing /etc/sidetrack\n'),
  'sh -c keep=': ok('init systemd\nnetworkd\n'),
  'sh -c [': ok('systemd\nunit \narchitecture amd64\nnodejs installed 20.1.0 \n'),
};

/** What the host says of everything, with some of it replaced. */
function observe(host: ObservedFrom, replaced: Readonly<Record<string, RunResult>> = {}) {
  const resources = resourcesQuery(host);
  const results = resources.commands.map((command) => {
    const words = programOf(command).join(' ');
    const said = Object.entries({ ...SAID, ...replaced }).find(([start]) =>
      words.startsWith(start),
    );
    if (said === undefined) throw new Error(`no answer to: ${words}`);
    return said[1];
  });
  return parseAnswers(host, { resources }, results).resources;
}

describe('what a host is asked', () => {
  it('is what each kind asks, and nothing twice', () => {
    const all = RESOURCES.flatMap((kind) => kind.observe(HOST).commands).map((one) => one.argv);
    const asked = resourcesQuery(HOST).commands.map(({ argv }) => argv);
    expect(asked).toHaveLength(all.length);
    expect(new Set(asked.map(String))).toEqual(new Set(all.map(String)));
  });

  it('says what each kind found', () => {
    expect(observe(HOST)).toEqual({
      sysctls: { 'net/ipv4/ip_forward': '1' },
      files: { [TABLE_NAME_FILE]: { content: '250\n', mode: 0o644 } },
      routes: [{ family: 4, table: 250, destination: 'default', type: '2', dev: 'lo' }],
      ipRules: [{ family: 4, priority: 1500, iif: 'br-lan', table: 250, protocol: 150 }],
      relay: {
        hasSystemd: true,
        architecture: 'amd64',
        node: '20.1.0',
        isActive: false,
        isEnabled: false,
        config: { content: '250\n', mode: 0o644 },
        dropIn: { content: '250\n', mode: 0o644 },
      },
      directories: { missing: ['/etc/sidetrack'], listed: [], isListed: false },
      persist: {
        init: 'systemd',
        ...{ isKept: false, hasLeftovers: false, isStateKept: true, isSealed: false },
        ...{ isActive: false, hasNetworkd: true, startsHeartbeats: false, found: {} },
      },
    });
  });

  it('leaves /etc of somebody else alone', () => {
    expect(observe({ ...HOST, ownsEtc: false }, { cat: failed('asked') }).files).toEqual({});
  });

  it('says of nft first what the privilege keeps from all', () => {
    const refused = failed('Error: Operation not permitted (you must be root)');
    const ip = failed('RTNETLINK answers: Operation not permitted');
    expect(() => observe(HOST, { nft: refused, 'ip -j -4 -N -d rule': ip })).toThrow(/nft/);
  });
});
