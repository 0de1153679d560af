/** Where npm has left out the part of ffi-rs that is for this machine: an optional dependency. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataType } from 'ffi-rs';
import { expect, it } from 'vitest';
import { TYPES as BPF_TYPES } from '../../../bpf/ffi.js';
import { SPEC_VERSION } from '../../../control/policy/classifier-spec.js';
import { TYPES as RELAY_TYPES } from '../../../proxy/ffi.js';
import { folderOf, MINIMAL } from '../config/temporary.js';

const CLI = fileURLToPath(new URL('../../../build/control/cli/main.js', import.meta.url));

/** Starting Node.js takes its time on a busy machine. */
const LONG = 60_000;

const HOOK = `const Module = require('node:module');
const resolve = Module._resolveFilename;
Module._resolveFilename = function (name, ...rest) {
  if (/^@yuuang|ffi-rs\\..*\\.node$/.test(name)) throw new Error('Cannot find module ' + name);
  return resolve.call(this, name, ...rest);
};
`;

const SPEC = JSON.stringify({
  version: SPEC_VERSION,
  ...{ rules: [], sets: [], interfaces: ['lo'], forwarding: 'mark', default: 'direct' },
  ...{ flowTableSize: 16, onFailure: 'direct' },
  targets: [{ macs: [], serverInterface: {}, mark: { value: 1, mask: 1 }, nextHop: {} }],
});

async function sidetrack(...args: string[]) {
  const folder = await folderOf({ 'hook.cjs': HOOK, 'sidetrack.yaml': MINIMAL });
  const argv = args.map((word) => word.replace('FOLDER', folder));
  const env = {
    ...process.env,
    NO_COLOR: '1',
    NODE_OPTIONS: `--require ${join(folder, 'hook.cjs')}`,
  };
  return spawnSync(process.execPath, [CLI, ...argv], { env, encoding: 'utf8', input: SPEC });
}

it.each([
  [['--version'], /^\d+\.\d+\.\d+\n$/],
  [['--help'], /Usage: sidetrack/],
  [['completion', 'bash'], /-F _sidetrack sidetrack/],
  [['check', '-c', 'FOLDER/sidetrack.yaml'], /./],
])(
  '%j works',
  async (args, said) => {
    const { status, stdout, stderr } = await sidetrack(...args);
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toMatch(said);
  },
  LONG,
);

it.each([
  [['relay', '-c', 'FOLDER/sidetrack.yaml']],
  [['bpf', 'attach', '--dry-run', '--directory', 'FOLDER/bpf']],
])(
  '%j says what to type',
  async (args) => {
    const { status, stderr } = await sidetrack(...args);
    expect(stderr).toMatch(
      /^error: .*the module ffi-rs.* no part for this machine.*\n {2}hint: type .*npm ci --include=optional.*\n$/,
    );
    expect(status).toBe(1);
  },
  LONG,
);

it('knows the numbers of the types that the module has', () => {
  expect(DataType).toMatchObject({ ...BPF_TYPES, ...RELAY_TYPES });
});
