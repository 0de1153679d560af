/**
 * What the engine needs to know of the configured upstreams: addresses for names (as far as they are
 * known), passwords from their files. Done when the relay starts or reloads, and on the machine that runs it, which alone may read them.
 */
import { accessSync, constants } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { ADDRESSES } from '../../../proxy/abi.js';
import type { Upstream } from '../../../proxy/upstreams.js';
import type { Config, UpstreamConfig } from '../../config/config.js';
import { ConfigError, type Diagnostic, diagnosticAt } from '../../config/diagnostic.js';
import { readFailure } from '../../config/read-failure.js';
import { LONGEST_CREDENTIAL } from '../../config/upstream-check.js';
import { credentialName } from '../../plan/relay-secrets.js';
import type { Names } from './names.js';
import { firstLine, readSecret } from './secret-file.js';

/** Says what is wrong with an upstream, and below which of its keys. */
class UpstreamProblem extends Error {
  constructor(
    readonly key: string,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/**
 * Names that do not resolve are no mistake: such an upstream has no address yet.
 * @throws ConfigError with every upstream that cannot be used; it never carries a secret.
 */
export async function prepareUpstreams(config: Config, names: Names): Promise<Upstream[]> {
  const diagnostics: Diagnostic[] = [];
  const upstreams: Upstream[] = [];
  const resolved = await Promise.all(config.relay.upstreams.map((one) => resolve(one, names)));
  for (const [i, upstream] of config.relay.upstreams.entries()) {
    try {
      upstreams.push(await prepare(upstream, resolved[i]!));
    } catch (error) {
      if (!(error instanceof UpstreamProblem)) throw error;
      const { key, message, hint } = error;
      const position = config.positionOf(['relay', 'upstreams', i, key]);
      diagnostics.push(diagnosticAt(position, { message, ...(hint && { hint }) }));
    }
  }
  if (diagnostics.length > 0) throw new ConfigError(diagnostics);
  return upstreams;
}

async function prepare(
  upstream: UpstreamConfig,
  [address, ...others]: readonly string[],
): Promise<Upstream> {
  const { name, target, weight, username, passwordFile } = upstream;
  const families = upstream.families && { families: upstream.families };
  if (target.kind === 'direct') return { name, kind: 'direct', weight, ...families };
  return {
    name,
    kind: target.kind,
    weight,
    ...(address !== undefined && { address }),
    ...(others.length > 0 && { moreAddresses: others }),
    port: target.port,
    ...(upstream.optimistic && { optimistic: true }),
    ...families,
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { password: await readPassword(name, passwordFile) }),
  };
}

/** As many as the engine has room for, none of them twice; they take turns. */
export const addressesOf = (resolved: readonly string[], more: readonly string[] = []): string[] =>
  [...new Set([...resolved, ...more])].slice(0, ADDRESSES);

async function resolve({ target, addresses }: UpstreamConfig, names: Names): Promise<string[]> {
  if (target.kind === 'direct') return [];
  if (isIP(target.host) !== 0) return addressesOf([target.host], addresses);
  return addressesOf((await names.resolve(target.host)).addresses, addresses);
}

async function readPassword(name: string, file: string): Promise<Buffer> {
  const bytes = await readSecret(file, credentialName(name)).catch((error: unknown) => {
    throw new UpstreamProblem(
      'password_file',
      `cannot read the password of upstream "${name}" from ${file}: ${readFailure(error)}`,
    );
  });
  const password = firstLine(bytes);
  const wrong = (what: string) =>
    new UpstreamProblem('password_file', `the password of upstream "${name}" in ${file} ${what}`);
  if (password.length === 0) throw wrong('is empty');
  if (password.length > LONGEST_CREDENTIAL)
    throw wrong(`is longer than ${LONGEST_CREDENTIAL} bytes`);
  return password;
}

/** Whether the password is systemd's copy, from when the service was started. */
export function hasCredential({ name, passwordFile }: UpstreamConfig): boolean {
  const directory = process.env.CREDENTIALS_DIRECTORY;
  if (directory === undefined || passwordFile === undefined) return false;
  const isReadable = (path: string) => {
    try {
      accessSync(path, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  };
  return !isReadable(passwordFile) && isReadable(join(directory, credentialName(name)));
}
