/**
 * What the pages need besides the configuration: token, password, certificate and key from their files. Read
 * when the pages are opened and at a reload, on the machine that serves them. No message has a secret in it.
 */
import type { PageAuth } from '../../../monitoring/access.js';
import type { PageTls } from '../../../monitoring/http-server.js';
import type { Config } from '../../config/config.js';
import {
  ConfigError,
  type Diagnostic,
  diagnosticAt,
  type Problem,
} from '../../config/diagnostic.js';
import type { PagesConfig } from '../../config/pages.js';
import type { Path } from '../../config/raw.js';
import { readFailure } from '../../config/read-failure.js';
import type { PAGES_CREDENTIALS } from '../../plan/relay-secrets.js';
import { ageProblem, certificateProblem, keyProblem } from './certificate.js';
import { firstLine, isReadableByAll, readSecret } from './secret-file.js';

export interface PageAccess {
  auth?: PageAuth;
  tls?: PageTls;
  /** What is allowed and hardly meant. */
  warnings: Diagnostic[];
}

type Name = keyof typeof PAGES_CREDENTIALS;

/** Each file: what it is called in messages, and its key below the section. */
const FILES: Readonly<Record<Name, { what: string; key: Path; isSecret: boolean }>> = {
  bearerTokenFile: { what: 'token', key: ['auth', 'bearer_token_file'], isSecret: true },
  passwordFile: { what: 'password', key: ['auth', 'password_file'], isSecret: true },
  certificateFile: { what: 'certificate', key: ['tls', 'certificate_file'], isSecret: false },
  keyFile: { what: 'key', key: ['tls', 'key_file'], isSecret: true },
};

const LONGEST_WORD = 1024;
/** As one word of a header. */
const ONE_WORD = /^[\x21-\x7e]+$/;

/**
 * @param at where the section is.
 * @param credentials what systemd calls its copies of the files.
 * @throws ConfigError with every file that cannot be used.
 */
export async function readPageAccess(
  { positionOf }: Pick<Config, 'positionOf'>,
  { auth, tls }: PagesConfig,
  at: Path,
  credentials: Partial<typeof PAGES_CREDENTIALS> = {},
): Promise<PageAccess> {
  const wrong: Diagnostic[] = [];
  const warnings: Diagnostic[] = [];
  const tell = (all: Diagnostic[], name: Name, problem: Problem) =>
    all.push(diagnosticAt(positionOf([...at, ...FILES[name].key]), problem));
  const files: Partial<Record<Name, string>> = { ...auth, ...tls };
  const read = async (name: Name, problemOf: (bytes: Buffer) => Problem | undefined) => {
    const file = files[name];
    if (file === undefined) return undefined;
    const { what, isSecret } = FILES[name];
    try {
      const bytes = await readSecret(file, credentials[name]);
      const problem = problemOf(bytes);
      if (problem !== undefined)
        tell(wrong, name, { ...problem, message: `the ${what} in ${file} ${problem.message}` });
      if (isSecret && (await isReadableByAll(file)))
        tell(warnings, name, {
          message: `every user of this machine can read the ${what} in ${file}`,
          hint: `type: chmod 600 ${file}`,
        });
      return bytes;
    } catch (error) {
      const message = `cannot read the ${what} from ${file}: ${readFailure(error)}`;
      tell(wrong, name, { message });
      return undefined;
    }
  };
  const token = await read('bearerTokenFile', wordProblem);
  const password = await read('passwordFile', lineProblem);
  const certificate = await read('certificateFile', certificateProblem);
  const key = await read('keyFile', (bytes) => keyProblem(bytes, certificate));
  if (wrong.length > 0) throw new ConfigError(wrong);
  const age = certificate && ageProblem(certificate, Date.now());
  if (age) tell(warnings, 'certificateFile', age);
  const name = auth?.username;
  return {
    ...((token || password) && {
      auth: {
        ...(token && { token: firstLine(token) }),
        ...(password && name !== undefined && { user: { name, password: firstLine(password) } }),
      },
    }),
    ...(certificate && key && { tls: { certificate, key } }),
    warnings,
  };
}

/** What is compared with later is a digest, so the words themselves may go. */
export function wipeAccess({ auth }: PageAccess): void {
  auth?.token?.fill(0);
  auth?.user?.password.fill(0);
}

function lineProblem(bytes: Buffer): Problem | undefined {
  const { length } = firstLine(bytes);
  if (length === 0) return { message: 'is empty', hint: 'openssl rand -hex 32 writes one' };
  if (length > LONGEST_WORD) return { message: `is longer than ${LONGEST_WORD} bytes` };
  return undefined;
}

function wordProblem(bytes: Buffer): Problem | undefined {
  const problem = lineProblem(bytes);
  if (problem !== undefined || ONE_WORD.test(firstLine(bytes).toString('latin1'))) return problem;
  return { message: 'is not one word of ASCII', hint: 'openssl rand -hex 32 writes one' };
}
