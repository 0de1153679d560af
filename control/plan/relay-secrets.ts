/** Files of the configuration that root alone may read: systemd hands them to the relay (LoadCredential). */
import type { Config } from '../config/config.js';
import { asList, asMap } from '../config/raw.js';

export interface RelaySecret {
  /** What the unit calls it. */
  credential: string;
  /** Absolute or relative to the working directory. */
  file: string;
  /** As the configuration has it. */
  written: string;
}

/** Of an upstream's password. */
export const credentialName = (upstream: string) => `upstream-${upstream}`;

export const PAGES_CREDENTIALS = {
  bearerTokenFile: 'metrics-token',
  passwordFile: 'metrics-password',
  certificateFile: 'metrics-certificate',
  keyFile: 'metrics-key',
} as const;

export function relaySecrets(config: Config): RelaySecret[] {
  const { upstreams, metrics } = config.relay;
  const relay = asMap(config.written.relay);
  const [auth, tls] = [asMap(asMap(relay.metrics).auth), asMap(asMap(relay.metrics).tls)];
  const names = PAGES_CREDENTIALS;
  return [
    ...upstreams.flatMap(({ name, passwordFile }, i) =>
      secret(credentialName(name), passwordFile, asMap(asList(relay.upstreams)[i]).password_file),
    ),
    ...secret(names.bearerTokenFile, metrics.auth?.bearerTokenFile, auth.bearer_token_file),
    ...secret(names.passwordFile, metrics.auth?.passwordFile, auth.password_file),
    ...secret(names.certificateFile, metrics.tls?.certificateFile, tls.certificate_file),
    ...secret(names.keyFile, metrics.tls?.keyFile, tls.key_file),
  ];
}

const secret = (credential: string, file: string | undefined, written: unknown): RelaySecret[] =>
  file === undefined ? [] : [{ credential, file, written: String(written) }];
