/** What is known of each server by its heartbeats: `servers` of maps.h, as user space sees it. */
import { createHash } from 'node:crypto';
import {
  familyOffset,
  HEARTBEAT_ALIVE_NS,
  ignoredHeartbeats,
  serverOffset,
  structSize,
} from './abi.js';
import { lookupElement, updateElement } from './map.js';
import {
  type FamilyState,
  HEARTBEAT_FLAGS,
  type HealthMode,
  reasonOfNumber,
  type ServerHealth,
} from './server-health.js';

/** A target as an attach leaves it for those who look later. */
export interface KnownServer {
  number: number;
  name: string;
  health: HealthMode;
  drained: boolean;
  /** What is steered to it. */
  families: readonly (4 | 6)[];
  /** Whose heartbeats its state must tell of; absent without heartbeats. */
  owner?: bigint;
}

/** For how long a server that was never heard is believed in, where no other is known either. */
const BELIEF_NS = 5_000_000_000n;

/** The clock of bpf_ktime_get_coarse_ns(), a few milliseconds ahead of it. */
const now = () => process.hrtime.bigint();

/** What a server's state belongs to: its key, of which this tells nothing. Never 0. */
export function ownerOf(siphashKey: Buffer): bigint {
  const hash = createHash('sha256').update('sidetrack heartbeat owner').update(siphashKey);
  return hash.digest().readBigUInt64LE(0) | 1n;
}

function keyOf(number: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(number);
  return key;
}

function elementOf(fd: number, number: number): Buffer {
  return lookupElement(fd, keyOf(number), structSize.server) ?? Buffer.alloc(structSize.server);
}

const familyStart = (family: 4 | 6): number =>
  serverOffset.family + (family === 4 ? 0 : structSize.family);

/** Nothing is known, or, believed, that it is fit. */
function freshElement(owner: bigint, believed: readonly (4 | 6)[]): Buffer {
  const bytes = Buffer.alloc(structSize.server);
  const present = now();
  bytes.writeBigUInt64LE(owner, serverOffset.owner);
  if (believed.length === 0) return bytes;
  bytes.writeBigUInt64LE(present + BELIEF_NS - BigInt(HEARTBEAT_ALIVE_NS), serverOffset.heard);
  for (const family of believed) {
    const start = familyStart(family);
    bytes.writeBigUInt64LE(present, start + familyOffset.since);
    bytes.writeUInt16LE(1, start + familyOffset.isUp);
  }
  return bytes;
}

/**
 * Begins the state of servers that have none, or one of another key. Where none of them has one all
 * are believed in for a moment: else an attach would leave every new flow to on_failure.
 * @returns what puts the old state back.
 */
export function beginServers(fd: number, servers: readonly KnownServer[]): () => void {
  const listed = servers.flatMap(({ owner, ...rest }) =>
    owner === undefined ? [] : [{ ...rest, owner, old: elementOf(fd, rest.number) }],
  );
  const isFresh = ({ owner, old }: (typeof listed)[number]) =>
    old.readBigUInt64LE(serverOffset.owner) !== owner;
  const fresh = listed.filter(isFresh);
  const areAllFresh = fresh.length === listed.length;
  for (const { number, owner, families } of fresh)
    updateElement(fd, keyOf(number), freshElement(owner, areAllFresh ? families : []));
  return () => {
    for (const { number, old } of fresh) updateElement(fd, keyOf(number), old);
  };
}

/** Of targets that are not judged by heartbeats any more, or not there. */
export function forgetServers(fd: number, servers: readonly KnownServer[], room: number): void {
  const kept = new Set(servers.flatMap(({ number, owner }) => (owner === undefined ? [] : number)));
  for (let number = 0; number < room; number++)
    if (!kept.has(number)) updateElement(fd, keyOf(number), Buffer.alloc(structSize.server));
}

const SECOND = 1e9;
const secondsSince = (time: bigint, present: bigint) =>
  Math.max(0, Number(present - time) / SECOND);

interface Reading {
  bytes: Buffer;
  present: bigint;
  isSilent: boolean;
}

function familyState(family: 4 | 6, { bytes, present, isSilent }: Reading): FamilyState {
  const start = familyStart(family);
  const flags = bytes[serverOffset.flags]!;
  if (isSilent) return 'silent';
  if (bytes.readUInt16LE(start + familyOffset.isUp) !== 0)
    return bytes.readBigUInt64LE(start + familyOffset.heldUntil) > present ? 'held' : 'alive';
  const fit = family === 4 ? HEARTBEAT_FLAGS.fit4 : HEARTBEAT_FLAGS.fit6;
  return flags & fit && !(flags & HEARTBEAT_FLAGS.leaving) ? 'rising' : 'unfit';
}

function aliveSeconds(states: ServerHealth['families'], { bytes, present }: Reading) {
  const alive = ([4, 6] as const).filter((family) => states[family] === 'alive');
  const since = alive.map((family) =>
    bytes.readBigUInt64LE(familyStart(family) + familyOffset.since),
  );
  return since.length === 0
    ? undefined
    : Math.max(...since.map((one) => secondsSince(one, present)));
}

const NOTHING_IGNORED: ServerHealth['ignored'] = {
  tag: 0,
  address: 0,
  mac: 0,
  replay: 0,
  malformed: 0,
};

function ignoredBy(bytes: Buffer): ServerHealth['ignored'] {
  const counts = ignoredHeartbeats.map((kind, i) => [
    kind,
    Number(bytes.readBigUInt64LE(serverOffset.ignored + 8 * i)),
  ]);
  return { ...NOTHING_IGNORED, ...Object.fromEntries(counts) };
}

/** @param bytes its element of `servers`. */
export function serverHealth(known: KnownServer, bytes: Buffer, present = now()): ServerHealth {
  const { name: server, health, drained, owner } = known;
  const isOwn = owner !== undefined && bytes.readBigUInt64LE(serverOffset.owner) === owner;
  const wasHeard = isOwn && bytes.readBigUInt64LE(serverOffset.counter) !== 0n;
  const heard = bytes.readBigUInt64LE(serverOffset.heard);
  const isSilent = present - heard > BigInt(HEARTBEAT_ALIVE_NS);
  const reading = { bytes, present, isSilent };
  // Believed in since the attach: it is given flows, heard or not.
  const isBelieved = isOwn && heard !== 0n && !isSilent;
  const stateOf = (family: 4 | 6) =>
    wasHeard || isBelieved ? familyState(family, reading) : 'unknown';
  const families = Object.fromEntries(known.families.map((family) => [family, stateOf(family)]));
  const ignored = isOwn ? ignoredBy(bytes) : NOTHING_IGNORED;
  if (!wasHeard) return { server, health, drained, families, ignored };
  const alive = aliveSeconds(families, reading);
  const reason = reasonOfNumber(bytes[serverOffset.reason]!);
  return {
    server,
    health,
    drained,
    families,
    lastHeardSeconds: secondsSince(heard, present),
    ...(alive !== undefined && { aliveSeconds: alive }),
    ...(reason !== undefined && { reason }),
    ignored,
  };
}

/** Of every target, by number. */
export function readServers(fd: number, servers: readonly KnownServer[]): ServerHealth[] {
  return servers.map((known) => serverHealth(known, elementOf(fd, known.number)));
}
