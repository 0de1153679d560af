/** The systemd unit of the exporter: what its user may do depends on where the hosts are. */
import { resolve } from 'node:path';
import type { Config } from '../../config/config.js';
import { PAGES_CREDENTIALS as CREDENTIALS } from '../../plan/relay-secrets.js';
import { RELAY_CONFIG, specifier } from '../../plan/relay-unit.js';
import { packageFile } from '../package.js';
import { fillTemplate, type Invocation, protectHome, quote } from '../relay/unit.js';

const TEMPLATE = 'packaging/systemd/sidetrack-exporter.service';

/** Where docs/monitoring.md has the key put. */
const KEY_FILE = '/etc/sidetrack/exporter_key';

interface Rights {
  /** With a user of its own there is none for others to become. */
  isRoot: boolean;
  capabilities: readonly string[];
  credentials: readonly string[];
  namespaces: string;
  /** System calls beside the usual ones. */
  calls: readonly string[];
}

/** For hosts behind ssh, and for this machine with classifier nftables. */
const USUAL: Rights = {
  isRoot: false,
  // nft lists nothing without it.
  capabilities: ['CAP_NET_ADMIN'],
  credentials: [],
  namespaces: 'yes',
  calls: [],
};

export function exporterUnit(config: Config, invocation: Invocation): string {
  return filled(rightsFor(config), invocation, `file:${packageFile('docs/monitoring.md')}`);
}

/** Of the package: reads its configuration from the usual place. */
export function packagedExporterUnit(): string {
  const invocation = {
    node: '/usr/bin/node',
    program: '/usr/lib/sidetrack/build/control/cli/main.js',
    config: RELAY_CONFIG,
  };
  return filled(USUAL, invocation, 'man:sidetrack(1)');
}

function rightsFor({ router, servers, exporter }: Config): Rights {
  const kinds = [router, ...servers].map(({ host }) => host.kind);
  const entersNamespaces = kinds.includes('netns');
  const readsMaps = router.host.kind !== 'ssh' && router.classifier === 'ebpf';
  const { bearerTokenFile, passwordFile } = exporter.auth ?? {};
  const { certificateFile, keyFile } = exporter.tls ?? {};
  const needsRoot = entersNamespaces || readsMaps;
  const secrets = {
    'ssh-key': kinds.includes('ssh') ? KEY_FILE : undefined,
    [CREDENTIALS.bearerTokenFile]: bearerTokenFile,
    [CREDENTIALS.passwordFile]: passwordFile,
    [CREDENTIALS.certificateFile]: certificateFile,
    [CREDENTIALS.keyFile]: keyFile,
  };
  return {
    isRoot: needsRoot,
    capabilities: [
      ...(kinds.some((kind) => kind !== 'ssh') ? ['CAP_NET_ADMIN'] : []),
      ...(needsRoot ? ['CAP_SYS_ADMIN'] : []),
      ...(readsMaps ? ['CAP_BPF', 'CAP_PERFMON'] : []),
    ],
    credentials: Object.entries(secrets).flatMap(([name, file]) =>
      file === undefined ? [] : [`${name}:${specifier(resolve(file))}`],
    ),
    namespaces: entersNamespaces ? 'net' : 'yes',
    calls: readsMaps ? ['bpf'] : [],
  };
}

function filled(
  { isRoot, capabilities, credentials, namespaces, calls }: Rights,
  { node, program, config }: Invocation,
  documentation: string,
): string {
  return fillTemplate(TEMPLATE, {
    DOCUMENTATION: documentation,
    COMMAND: [node, program, 'exporter', '--config', config].map(quote).join(' '),
    USER: isRoot ? 'User=root' : 'DynamicUser=yes',
    CREDENTIALS: credentials.map((one) => `LoadCredential=${one}`).join('\n'),
    CAPABILITIES: capabilities.join(' '),
    PROTECT_HOME: protectHome([node, program, config]),
    NAMESPACES: namespaces,
    CALLS: calls.map((one) => ` ${one}`).join(''),
  });
}
