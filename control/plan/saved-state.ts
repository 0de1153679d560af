/** What sidetrack wrote down on a host when it last changed something: `state.json`. */
import { z } from 'zod';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { savedStatePath } from './paths.js';

export const STATE_VERSION = 1;

/** It becomes part of a file's name. */
const digest = z.string().regex(/^[\w-]+$/, 'must be a digest');

const addresses = z.array(z.string());

const secret = z.string().regex(/^[0-9a-f]{32}$/, 'must be a secret');

/** What has to be known of a target for its flows to go on when the file has its server no more. */
const savedTarget = z.object({
  name: z.string(),
  number: z.int().min(0),
  /** By `sidetrack drain`. */
  drained: z.literal(true).exactOptional(),
  /** Next hops. */
  via: z.object({ v4: z.string().exactOptional(), v6: z.string().exactOptional() }),
  addresses: z.object({ v4: addresses, v6: addresses }),
  mac: z.string().exactOptional(),
  /** Another program installs its route. */
  external: z.literal(true).exactOptional(),
  /** Secrets, for a run that does not see the server; so the file is root's alone. */
  heartbeat: z.object({ tag: secret, siphashKey: secret }).exactOptional(),
});

export type SavedTarget = z.output<typeof savedTarget>;

const savedState = z.object({
  version: z.literal(STATE_VERSION),
  /** Original values of the sysctls we changed. */
  sysctls: z.record(z.string(), z.string()),
  /** Digest of every nft object as we wanted it and as nft listed it then. */
  objects: z.record(z.string(), z.object({ desired: z.string(), listed: z.string() })),
  /** Digest of those that were wanted: by the file as a whole a watcher knows whether what it keeps is what was applied last. */
  rules: digest.exactOptional(),
  routes: digest.exactOptional(),
  /** Digest of the specification that lies beside this file. */
  classifier: digest.exactOptional(),
  /** Path of the loader that was sent there. It is removed by what stands here. */
  loader: z
    .string()
    .regex(/^\/[\w/]+\/sidetrack-bpf-[0-9a-f]{12}$/, 'must be a loader')
    .exactOptional(),
  /** Of a router: whom flow entries mean by their numbers. Absent where an earlier version wrote it. */
  targets: z.array(savedTarget).exactOptional(),
  /** Directories that were not there before. */
  directories: z.array(z.string()).exactOptional(),
  /** A script wrote it: what nft listed lies beside it as text, see `resources/script-parts.ts`. */
  unlisted: z.literal(true).exactOptional(),
});

export type SavedState = z.output<typeof savedState>;

/** @throws SidetrackError `state-damaged`, `state-version` */
export function parseSavedState(
  { address, stateDir }: { address: string; stateDir: string },
  text: string,
): SavedState {
  const read = readContract(text, savedState);
  if ('value' in read) return read.value;
  const path = savedStatePath(stateDir);
  const forgets = `(the original sysctls are then unknown): rm ${path}`;
  if (read.isVersion)
    throw new SidetrackError(`${address}: ${path}: ${read.problem}`, {
      code: 'state-version',
      source: 'host',
      hint: `run \`sidetrack down\` of the version that wrote it, or remove it ${forgets}`,
    });
  throw new SidetrackError(`${address}: ${path} is damaged: ${read.problem}`, {
    code: 'state-damaged',
    source: 'host',
    hint: `remove it ${forgets}`,
  });
}
