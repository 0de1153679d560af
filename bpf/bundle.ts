/**
 * All that an attach needs, in one piece: what `sidetrack-bpf` reads, the loader of routers without Node.js. Pure.
 * bpf/loader/bundle.h says how it is laid out. What only the router knows (numbers of interfaces, ports of
 * bridges) stands in it by name.
 */
import { createHash } from 'node:crypto';
import { constants, gzipSync } from 'node:zlib';
import { type AttachOptions, type AttachTarget, knownServers } from './attach-options.js';
import { byNumber, macBytes, writeConfig } from './config.js';
import { ClassifierError } from './error.js';
import type { KnownServer } from './health.js';
import {
  BUNDLE_BYTES_MAX,
  BUNDLE_INTERFACES_MAX,
  BUNDLE_MAGIC,
  BUNDLE_METADATA_LENGTH,
  BUNDLE_NAME_LENGTH,
  BUNDLE_VERSION_LENGTH,
  bundleKind,
  bundleServerOffset,
  bundleSize,
  bundleTargetOffset,
  headerOffset,
  LAYOUT,
  sectionOffset,
  settingsOffset,
} from './loader/layout.js';
import { serverMetadata } from './pin-metadata.js';
import { type ProgramContents, programContents } from './program-contents.js';
import { compileTables } from './tables.js';

export type BundleOptions = Omit<AttachOptions, 'directory' | 'object' | 'digest' | 'takeOver'>;

/** Who makes it. */
export interface BundleMaker {
  /** The object file's bytes. */
  object: Buffer;
  /** Version of sidetrack. */
  version: string;
}

/** What an attach of this object is known by, beside its pins. */
export const programDigest = (object: Buffer): string =>
  createHash('sha256').update(object).digest('hex').slice(0, 12);

interface Section {
  kind: keyof typeof bundleKind;
  data: Buffer;
  count?: number;
  map?: string;
  keySize?: number;
  valueSize?: number;
}

function tooLarge(what: string): ClassifierError {
  return new ClassifierError(`the loader of the ebpf classifier takes no ${what}`, {
    code: 'bundle-too-large',
    source: 'user',
    hint: 'write classifier: nftables, or install sidetrack with Node.js there',
  });
}

/** Text in a room that it leaves a zero of. */
function text(value: string, room: number): Buffer {
  const bytes = Buffer.alloc(room);
  if (Buffer.byteLength(value) >= room) throw tooLarge(`name as long as "${value}"`);
  bytes.write(value);
  return bytes;
}

function names(kind: 'INTERFACES' | 'LISTENING', list: readonly string[]): Section {
  if (list.length > BUNDLE_INTERFACES_MAX) throw tooLarge(`${list.length} interfaces`);
  const data = Buffer.concat(list.map((name) => text(name, BUNDLE_NAME_LENGTH)));
  return { kind, data, count: list.length };
}

function settings(options: BundleOptions, contents: ProgramContents, object: Buffer): Section {
  const data = Buffer.alloc(bundleSize.settings);
  data.writeUInt32LE(options.flowTableSize, settingsOffset.flowTableSize);
  data.writeUInt32LE(options.policy.rules.length, settingsOffset.rules);
  data.writeUInt32LE(contents.sizes.macs, settingsOffset.macs);
  data.writeUInt32LE(Number(options.xdp === true), settingsOffset.xdp);
  text(programDigest(object), BUNDLE_NAME_LENGTH).copy(data, settingsOffset.program);
  return { kind: 'SETTINGS', data, count: 1 };
}

function target({ redirectInterface, routeInterface, macs }: AttachTarget, standsIn: boolean) {
  const data = Buffer.alloc(bundleSize.target);
  const put = (name: string | undefined, offset: number) =>
    text(name ?? '', BUNDLE_NAME_LENGTH).copy(data, offset);
  put(redirectInterface, bundleTargetOffset.redirect);
  put(routeInterface?.v4, bundleTargetOffset.routeV4);
  put(routeInterface?.v6, bundleTargetOffset.routeV6);
  data.writeUInt32LE(macs.length, bundleTargetOffset.macs);
  data.writeUInt32LE(Number(standsIn), bundleTargetOffset.standsIn);
  macs.forEach((mac, i) => {
    macBytes(mac).copy(data, bundleTargetOffset.mac + 8 * i);
  });
  return data;
}

function targets({ steering }: BundleOptions): Section {
  const list = byNumber(steering.targets);
  const data = list.map(({ target: one, standsIn }) => target(one, standsIn));
  return { kind: 'TARGETS', data: Buffer.concat(data), count: list.length };
}

/** Bits of the families that are steered to it. */
const FAMILY_BITS = { 4: 1, 6: 2 } as const;

function server(known: KnownServer): Buffer {
  const data = Buffer.alloc(bundleSize.server);
  const families = known.families.reduce((bits: number, one) => bits | FAMILY_BITS[one], 0);
  data.writeUInt32LE(known.number, bundleServerOffset.number);
  data.writeUInt32LE(families, bundleServerOffset.families);
  data.writeBigUInt64LE(known.owner ?? 0n, bundleServerOffset.owner);
  text(serverMetadata(known), BUNDLE_METADATA_LENGTH).copy(data, bundleServerOffset.metadata);
  return data;
}

function maps({ arrays, keyed }: ProgramContents): Section[] {
  return [
    ...arrays.map(
      ({ map, values, valueSize }): Section => ({
        ...{ kind: 'ARRAY', data: values, map, valueSize },
        count: values.length / valueSize,
      }),
    ),
    ...keyed.map(
      ({ map, keySize, valueSize, elements }): Section => ({
        ...{ kind: 'HASH', map, keySize, valueSize, count: elements.length },
        data: Buffer.concat(elements.flat()),
      }),
    ),
  ];
}

function sectionBytes({ kind, data, count = 1, map = '', keySize = 0, valueSize = 0 }: Section) {
  const head = Buffer.alloc(bundleSize.section);
  head.writeUInt32LE(bundleKind[kind], sectionOffset.kind);
  head.writeUInt32LE(count, sectionOffset.count);
  head.writeBigUInt64LE(BigInt(data.length), sectionOffset.length);
  text(map, BUNDLE_NAME_LENGTH).copy(head, sectionOffset.map);
  head.writeUInt32LE(keySize, sectionOffset.keySize);
  head.writeUInt32LE(valueSize, sectionOffset.valueSize);
  return [head, data, Buffer.alloc(-data.length & 7)];
}

/**
 * As it is before it is packed.
 * @throws ClassifierError `policy-too-large`, `bundle-too-large`
 */
export function bundleBytes(options: BundleOptions, { object, version }: BundleMaker): Buffer {
  const tables = compileTables(options.policy);
  const contents = programContents(tables, options.steering);
  const known = knownServers(options);
  const sections: Section[] = [
    settings(options, contents, object),
    { kind: 'OBJECT', data: object },
    { kind: 'CONFIG', data: writeConfig(tables, options.steering) },
    targets(options),
    { kind: 'SERVERS', data: Buffer.concat(known.map(server)), count: known.length },
    names('INTERFACES', options.interfaces),
    names('LISTENING', options.listening ?? []),
    ...maps(contents),
  ];
  const header = Buffer.alloc(bundleSize.header);
  header.write(BUNDLE_MAGIC);
  header.write(LAYOUT, headerOffset.layout);
  text(version.slice(0, BUNDLE_VERSION_LENGTH - 1), BUNDLE_VERSION_LENGTH).copy(
    header,
    headerOffset.version,
  );
  header.writeUInt32LE(sections.length, headerOffset.sections);
  const bytes = Buffer.concat([header, ...sections.flatMap(sectionBytes)]);
  if (bytes.length > BUNDLE_BYTES_MAX) throw tooLarge(`bundle of ${bytes.length} bytes`);
  bytes.writeBigUInt64LE(BigInt(bytes.length), headerOffset.length);
  return bytes;
}

/** `base64` breaks its lines here, and a terminal shows them. */
const COLUMNS = 76;

/** As text, for what goes through a shell is text: base64, in it gzip. */
export function packBundle(bytes: Buffer): string {
  const packed = gzipSync(bytes, { level: constants.Z_DEFAULT_COMPRESSION });
  return packed.toString('base64').replace(new RegExp(`.{1,${COLUMNS}}`, 'g'), '$&\n');
}

/** @throws ClassifierError `policy-too-large`, `bundle-too-large` */
export const writeBundle = (options: BundleOptions, maker: BundleMaker): string =>
  packBundle(bundleBytes(options, maker));
