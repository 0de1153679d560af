// Generated from bpf/loader/bundle.h by `make -C bpf layout`; do not edit.

/** Of bundle.h and abi.h: both sides must have the same. */
export const LAYOUT = '12ff7e427b56c821';
export const BUNDLE_MAGIC = 'STBUNDLE';
export const BUNDLE_BYTES_MAX = 83886080;
export const BUNDLE_INTERFACES_MAX = 64;
export const BUNDLE_METADATA_LENGTH = 256;
export const BUNDLE_NAME_LENGTH = 16;
export const BUNDLE_VERSION_LENGTH = 32;
export const BUNDLE_MACS_MAX = 16;

/** What a section holds. */
export const bundleKind = {
  /** one struct bundle_settings */
  SETTINGS: 1,
  /** the program, an ELF object of clang's */
  OBJECT: 2,
  /** struct config of abi.h; what the host alone knows is 0 */
  CONFIG: 3,
  /** struct bundle_target of each of config.target */
  TARGETS: 4,
  /** struct bundle_server of each server */
  SERVERS: 5,
  /** names of interfaces that clients' packets come in by */
  INTERFACES: 6,
  /** names of interfaces with heartbeats alone */
  LISTENING: 7,
  /** elements 0, 1, ... of the map that is named */
  ARRAY: 8,
  /** keys and values in turn, of the map that is named */
  HASH: 9,
} as const;

/** Bytes of a struct. */
export const bundleSize = {
  /** in front of everything */
  header: 72,
  /** in front of each section */
  section: 40,
  /** of the program set */
  settings: 32,
  /** of config.target */
  target: 184,
  /** as the pins name it */
  server: 272,
} as const;

/** Byte offsets in the header. */
export const headerOffset = {
  /** text */
  layout: 8,
  /** text, ends with 0 */
  version: 24,
  /** u32 */
  sections: 56,
  /** u64 of everything */
  length: 64,
} as const;

/** Byte offsets in front of each section. */
export const sectionOffset = {
  /** u32 */
  kind: 0,
  /** u32 */
  count: 4,
  /** u64 without its padding */
  length: 8,
  /** text, ends with 0 */
  map: 16,
  /** u32 */
  keySize: 32,
  /** u32 */
  valueSize: 36,
} as const;

/** Byte offsets in the settings. */
export const settingsOffset = {
  /** u32 */
  flowTableSize: 0,
  /** u32 */
  rules: 4,
  /** u32 */
  macs: 8,
  /** u32 */
  xdp: 12,
  /** text, ends with 0 */
  program: 16,
} as const;

/** Byte offsets in a target. */
export const bundleTargetOffset = {
  /** text, ends with 0 */
  redirect: 0,
  /** text, ends with 0 */
  routeV4: 16,
  /** text, ends with 0 */
  routeV6: 32,
  /** u32 */
  macs: 48,
  /** u32 */
  standsIn: 52,
  /** 6 bytes, each in 8 */
  mac: 56,
} as const;

/** Byte offsets in a server. */
export const bundleServerOffset = {
  /** u32 */
  number: 0,
  /** u32 */
  families: 4,
  /** u64 */
  owner: 8,
  /** text, ends with 0 */
  metadata: 16,
} as const;

/** What the loader calls the reasons of heartbeats, by number. */
export const loaderReasons = [
  'ok',
  'starting',
  'leaving',
  'listener',
  'threads',
  'upstreams',
  'descriptors',
  'memory',
  'check',
  'port',
] as const;
