/**
 * The engine's options: the list in engine/abi.h, in camel case, and what is no number there. An option
 * that is new in the list is one here, too.
 */
import { isIPv4 } from 'node:net';
import {
  ABI_VERSION,
  CONGESTION_LENGTH,
  captures,
  congestionOffset,
  OPTION_ADDRESS_OFFSET,
  OPTION_PROBE_OFFSET,
  OPTIONS_SIZE,
  optionOffset,
  PROBE_REQUEST,
  PROBE_SIZE,
  probeAnswers,
  probeOffset,
  strategies,
} from './abi.js';
import { addressToBytes } from './address.js';
import { type CamelCase, camelCase } from './camel-case.js';
import type { DestinationTable, Routing } from './routes.js';
import type { Upstream } from './upstreams.js';

export type Capture = (typeof captures)[number];
export type ProbeAnswer = (typeof probeAnswers)[number];

/** Most pipes of a thread. */
export const PIPES_PER_THREAD = 64;

type OptionName = keyof typeof optionOffset;

/** Numbers that have words; the first one is the default. */
const WORDS = {
  capture: captures,
  probe_answer: probeAnswers,
  strategy: strategies,
  express: ['off', 'on'],
} as const;

/** What an option is when the caller says nothing; zero elsewhere. */
const DEFAULTS: Readonly<Partial<Record<OptionName, number>>> = {
  abi_version: ABI_VERSION,
  tcp_info: 1,
  splice: 1,
  pipes_per_thread: PIPES_PER_THREAD,
  /** What Node.js needs, the pages' clients, and files. */
  descriptor_reserve: 96,
  upstream_keepalive_s: 120,
  keepalive_interval_s: 30,
  read_ahead: 1024 * 1024,
  express_after: 8 * 1024 * 1024,
};

type EngineValue<Name extends OptionName> = Name extends keyof typeof WORDS
  ? (typeof WORDS)[Name][number]
  : number | boolean;

/** By the names of abi.h, which says what each means. */
export type EngineOptions = {
  [Name in Exclude<OptionName, 'abi_version'> as CamelCase<Name>]?: EngineValue<Name> | undefined;
};

/** Names of `EngineOptions`. */
export const ENGINE_OPTIONS: ReadonlySet<string> = new Set(
  Object.keys(optionOffset)
    .filter((name) => name !== 'abi_version')
    .map(camelCase),
);

export interface ProbeDestination {
  address: string;
  port: number;
  /** What is said there. */
  request?: Buffer;
}

/** By whom the sockets are connected with; `elsewhere`: clients that are on no attached network. */
export type CongestionNames = { [Leg in keyof typeof congestionOffset]?: string };

export interface RelayOptions extends EngineOptions {
  port: number;
  /** Where to listen; everywhere when absent. */
  address?: string;
  /** Descriptors of listening sockets to go on with; the port's other sockets are opened. */
  listeners?: readonly number[];
  /** In order of preference; a direct one when absent. */
  upstreams?: readonly Upstream[];
  /** Which upstreams by destination; all of them for all when absent. */
  routing?: Routing;
  /** Names of algorithms; the system's own where there is none. */
  congestion?: CongestionNames;
  /** Bits of `guardBit`: what is refused, and what is this machine. What was said before when absent. */
  guard?: DestinationTable;
  /** Descriptors of the maps by which connections may pass in the kernel; there is no such mode when absent. */
  expressMaps?: { flows: number; slots: number };
  /** Where probes go through every upstream, one of each family at most; there are none when absent. */
  probeTargets?: readonly ProbeDestination[];
}

/** What is settled when the relay starts; a reload keeps it. */
export const FIXED_OPTIONS = [
  'port',
  'address',
  'threads',
  'capture',
  'fastOpen',
  'logRecords',
  'splice',
] as const satisfies readonly (keyof RelayOptions)[];

export type GenerationOptions = Omit<
  RelayOptions,
  (typeof FIXED_OPTIONS)[number] | 'listeners' | 'expressMaps'
>;

export function fixedOptions(options: RelayOptions): Pick<RelayOptions, 'port'> {
  const fixed = FIXED_OPTIONS.map((name) => [name, options[name]] as const);
  return {
    port: options.port,
    ...Object.fromEntries(fixed.filter(([, value]) => value !== undefined)),
  };
}

export function encodeOptions(options: RelayOptions): Buffer {
  const buffer = Buffer.alloc(OPTIONS_SIZE);
  const given: Readonly<Record<string, unknown>> = { ...options };
  for (const [name, offset] of Object.entries(optionOffset)) {
    const value = given[camelCase(name)] ?? DEFAULTS[name as OptionName] ?? 0;
    buffer.writeUInt32LE(asNumber(name, value), offset);
  }
  if (options.address !== undefined)
    addressToBytes(options.address).copy(buffer, OPTION_ADDRESS_OFFSET);
  for (const [leg, name] of Object.entries(options.congestion ?? {}))
    encodeCongestion(name, buffer, congestionOffset[leg as keyof CongestionNames]);
  for (const target of options.probeTargets ?? []) encodeProbe(target, buffer);
  return buffer;
}

/** @throws RangeError when it is none of the option's words. */
function asNumber(name: string, value: unknown): number {
  if (typeof value !== 'string') return Number(value);
  const words: Readonly<Record<string, readonly string[]>> = WORDS;
  const index = words[name]?.indexOf(value) ?? -1;
  if (index < 0) throw new RangeError(`${name} cannot be "${value}"`);
  return index;
}

/** @throws RangeError when no algorithm can have that name. */
function encodeCongestion(name: string, options: Buffer, offset: number): void {
  if (name.length >= CONGESTION_LENGTH)
    throw new RangeError(`the name "${name}" has more than ${CONGESTION_LENGTH - 1} characters`);
  options.write(name, offset, 'latin1');
}

/** @throws RangeError when it is to say too much. */
function encodeProbe(
  { address, port, request = Buffer.alloc(0) }: ProbeDestination,
  options: Buffer,
): void {
  if (request.length > PROBE_REQUEST)
    throw new RangeError(`a probe may say ${PROBE_REQUEST} bytes at most`);
  const start = OPTION_PROBE_OFFSET + (isIPv4(address) ? 0 : PROBE_SIZE);
  options.writeUInt32LE(port, start + probeOffset.port);
  options.writeUInt32LE(request.length, start + probeOffset.request_length);
  addressToBytes(address).copy(options, start + probeOffset.address);
  request.copy(options, start + probeOffset.request);
}
