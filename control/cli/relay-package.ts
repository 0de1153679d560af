/** The `.deb` that `apply --install` sends: read here, without dpkg, for this may be no Debian. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { readFailure } from '../config/read-failure.js';
import { SidetrackError } from '../error.js';
import type { RelayPackage } from '../plan/state.js';
import { packageFile, version } from './package.js';

const BUILT = 'build/package';
/** `base64` breaks its lines here, and a terminal shows them. */
const COLUMNS = 76;

/** @param chosen a path; true for what was built here. @throws SidetrackError `package-missing`, `package-damaged` */
export async function readRelayPackage(chosen: string | true): Promise<RelayPackage> {
  const path = chosen === true ? builtPackage() : chosen;
  const archive = await readFile(path).catch((cause: unknown) => {
    throw new SidetrackError(`cannot read the package ${path}: ${readFailure(cause)}`, {
      code: 'package-missing',
      source: 'user',
      hint: 'name a .deb of sidetrack: --install FILE',
      cause,
    });
  });
  const control = controlFile(archive);
  const field = (name: string) => new RegExp(`^${name}: (\\S+)$`, 'm').exec(control ?? '')?.[1];
  const [own, architecture, contents] = ['Version', 'Architecture', 'Sidetrack-Contents'].map(
    field,
  );
  if (field('Package') !== 'sidetrack' || !own || !architecture || !contents)
    throw new SidetrackError(`${path} is no package of sidetrack`, {
      code: 'package-damaged',
      source: 'user',
      hint: 'take what `make package` writes, build/package/sidetrack_VERSION_ARCHITECTURE.deb',
    });
  const lines = archive.toString('base64').replace(new RegExp(`.{1,${COLUMNS}}`, 'g'), '$&\n');
  return { version: own, architecture, contents, base64: lines };
}

/** Of our version, for whichever machine it was built. */
function builtPackage(): string {
  const directory = packageFile(BUILT);
  const name = namesIn(directory).find(
    (one) => one.startsWith(`sidetrack_${version()}_`) && one.endsWith('.deb'),
  );
  if (name !== undefined) return `${directory}/${name}`;
  throw new SidetrackError(`there is no package of sidetrack ${version()} to install`, {
    code: 'package-missing',
    source: 'user',
    hint: 'build one with `make package`, or name one: --install FILE',
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

const AR_MAGIC = '!<arch>\n';
const AR_HEADER = 60;
const TAR_BLOCK = 512;
/** Of the control files; more is no package of ours. */
const LONGEST = 16 * 1024 * 1024;

/** `control` of `control.tar.gz`, ar(5) and deb(5); undefined where it is not there. */
function controlFile(archive: Buffer): string | undefined {
  if (archive.toString('latin1', 0, AR_MAGIC.length) !== AR_MAGIC) return undefined;
  for (let at = AR_MAGIC.length; at + AR_HEADER <= archive.length; ) {
    const name = archive
      .toString('latin1', at, at + 16)
      .trim()
      .replace(/\/$/, '');
    const size = Number(archive.toString('latin1', at + 48, at + 58));
    const start = at + AR_HEADER;
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    if (name === 'control.tar.gz')
      return fileOfTar(archive.subarray(start, start + size), './control');
    at = start + size + (size % 2);
  }
  return undefined;
}

function fileOfTar(compressed: Buffer, wanted: string): string | undefined {
  const tar = unzipped(compressed);
  for (let at = 0; at + TAR_BLOCK <= tar.length; ) {
    const name = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    if (name === '' || !(size >= 0)) return undefined;
    const start = at + TAR_BLOCK;
    if (name === wanted) return tar.toString('utf8', start, start + size);
    at = start + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return undefined;
}

function unzipped(compressed: Buffer): Buffer {
  try {
    return gunzipSync(compressed, { maxOutputLength: LONGEST });
  } catch {
    return Buffer.alloc(0);
  }
}
