/** The package that is sent: read without dpkg, and only if it is ours. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readRelayPackage } from '../../../control/cli/relay-package.js';

const directory = mkdtempSync(join(tmpdir(), 'sidetrack-deb-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** With names before `control` and after it, as dpkg-deb orders them. */
function built(name: string, fields: string, ...compression: string[]): string {
  const tree = join(directory, `${name}-tree`);
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  writeFileSync(join(tree, 'DEBIAN/control'), `${fields}Maintainer: a <a@b.c>\nDescription: a\n`);
  writeFileSync(join(tree, 'DEBIAN/conffiles'), '');
  writeFileSync(join(tree, 'DEBIAN/postinst'), '#!/bin/sh\n', { mode: 0o755 });
  const file = join(directory, `${name}.deb`);
  const argv = [...compression, '--root-owner-group', '--build', tree, file];
  const { status, stderr } = spawnSync('dpkg-deb', argv, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return file;
}

const FIELDS = 'Package: sidetrack\nVersion: 1.2-3\nArchitecture: arm64\nSidetrack-Contents: abc\n';
const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0;

describe.skipIf(!hasDpkg && process.env.SIDETRACK_REQUIRE_ALL !== '1')('readRelayPackage', () => {
  it('reads what a package says of itself, and all of it as base64', async () => {
    const file = built('own', FIELDS, '-Zxz', '--no-uniform-compression');
    const { base64, ...rest } = await readRelayPackage(file);
    expect(rest).toEqual({ version: '1.2-3', architecture: 'arm64', contents: 'abc' });
    expect(Buffer.from(base64, 'base64')).toEqual(readFileSync(file));
    expect(base64).toMatch(/^([\w+/=]{1,76}\n)+$/);
  });

  it.each([
    ['of another program', () => built('other', FIELDS.replace('sidetrack', 'other'), '-Zgzip')],
    ['compressed otherwise', () => built('xz', FIELDS, '-Zxz')],
    [
      'that is cut off',
      () => {
        const file = built('cut', FIELDS, '-Zgzip');
        truncateSync(file, 150);
        return file;
      },
    ],
    [
      'that is none',
      () => {
        const file = join(directory, 'none.deb');
        writeFileSync(
          file,
          '!<arch>\ncontrol.tar.gz  0           0     0     100644  -5        `\n',
        );
        return file;
      },
    ],
  ])('refuses one %s', async (_, make) => {
    const failure = {
      code: 'package-damaged',
      message: expect.stringContaining('is no package of'),
    };
    await expect(readRelayPackage(make())).rejects.toMatchObject(failure);
  });

  it('says that there is none', async () => {
    const failure = { code: 'package-missing', message: expect.stringContaining('no such file') };
    await expect(readRelayPackage(join(directory, 'gone.deb'))).rejects.toMatchObject(failure);
  });
});
