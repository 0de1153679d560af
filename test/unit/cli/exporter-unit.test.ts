/** The exporter's unit: what its user may do depends on where the hosts are; and what systemd itself thinks of it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { exporterUnit, packagedExporterUnit } from '../../../control/cli/exporter/unit.js';
import { loadConfig } from '../../../control/config/load.js';

const directory = mkdtempSync(join(tmpdir(), 'sidetrack-exporter-unit-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function unit(router: string, server: string, more = ''): Promise<string[]> {
  const file = join(directory, 'sidetrack.yaml');
  writeFileSync(
    file,
    `router: { host: "${router}", interfaces: [br-lan]${more} }
servers:
  - { host: "${server}", interface: eth0, address: [192.168.1.2] }
exporter: { auth: { bearer_token_file: /etc/sidetrack/token } }
`,
  );
  const invocation = { node: '/usr/bin/node', program: '/opt/main.js', config: '/etc/s.yaml' };
  const text = exporterUnit(await loadConfig(file), invocation);
  expect(text).not.toMatch(/@[A-Z_]+@|undefined/);
  return text.split('\n');
}

it('gives a key and no right for hosts behind ssh', async () => {
  const lines = await unit('ssh://root@192.168.1.1', 'ssh://root@192.168.1.2');
  expect(lines).toContain('ExecStart=/usr/bin/node /opt/main.js exporter --config /etc/s.yaml');
  expect(lines).toContain('DynamicUser=yes');
  expect(lines).toContain('CapabilityBoundingSet=');
  expect(lines).toContain('LoadCredential=ssh-key:/etc/sidetrack/exporter_key');
  expect(lines).toContain('LoadCredential=metrics-token:/etc/sidetrack/token');
});

it('gives what nft needs for this machine, and no key', async () => {
  const lines = await unit('local', 'local');
  expect(lines).toContain('AmbientCapabilities=CAP_NET_ADMIN');
  expect(lines).toContain('DynamicUser=yes');
  expect(lines.join('\n')).not.toContain('ssh-key:');
});

it('is root where maps or namespaces want it, confined', async () => {
  const ebpf = await unit('local', 'ssh://root@192.168.1.2', ', classifier: ebpf');
  expect(ebpf).toContain('User=root');
  expect(ebpf).toContain('SystemCallFilter=@system-service @pkey bpf');
  const namespaces = await unit('netns://router', 'local');
  expect(namespaces).toContain('CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_ADMIN');
  expect(namespaces).toContain('RestrictNamespaces=net');
});

const analyze = (...args: string[]) =>
  spawnSync('systemd-analyze', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });

it.skipIf(analyze('--version').status !== 0)(
  'is understood by systemd as the package has it',
  () => {
    const file = join(directory, 'sidetrack-exporter.service');
    const text = packagedExporterUnit().replace('/usr/bin/node', '/bin/true');
    writeFileSync(file, text.replaceAll(/^Documentation=.*\n/gm, ''));
    const { status, stderr } = analyze('verify', '--man=no', file);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  },
);
