/** `heartbeat.json`, which `apply` leaves on a server: its key, and where heartbeats go. */
import { z } from 'zod';
import { HEARTBEAT_INTERVAL_MS } from '../../bpf/server-health.js';
import { parseAddress } from '../config/address.js';
import { type Read, readContract } from '../contract.js';
import { HEARTBEAT_KEY_BYTES } from './message.js';

export const HEARTBEAT_FILE_VERSION = 1;

const address = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, { error: 'is no address' });

const schema = z.object({
  version: z.literal(HEARTBEAT_FILE_VERSION),
  /** Its name in the configuration. */
  server: z.string().min(1),
  key: z.string().regex(new RegExp(`^[0-9a-f]{${2 * HEARTBEAT_KEY_BYTES}}$`), 'is no key'),
  /** An address of the server, by which the router knows its heartbeats. */
  from: address,
  /** Of the same family. */
  to: z
    .array(z.object({ address, port: z.int().min(1).max(65535) }))
    .min(1)
    .max(8),
  interval_ms: z.int().min(100).max(60_000),
});

export type HeartbeatFile = z.output<typeof schema>;

export const readHeartbeatFile = (text: string): Read<HeartbeatFile> => readContract(text, schema);

export const heartbeatFileText = (file: Omit<HeartbeatFile, 'version' | 'interval_ms'>): string => {
  const { server, key, from, to } = file;
  const whole: HeartbeatFile = {
    version: HEARTBEAT_FILE_VERSION,
    ...{ server, key, from, to },
    interval_ms: HEARTBEAT_INTERVAL_MS,
  };
  return `${JSON.stringify(whole, null, 2)}\n`;
};

const HIDDEN = '<secret>';

/** The text for people: without the key, also where it is damaged. */
export const withoutKey = (text: string): string =>
  text.replace(/("key"\s*:\s*)"[^"]*"?/g, `$1"${HIDDEN}"`).replace(/[0-9a-fA-F]{32,}/g, HIDDEN);

const PLACE = { name: 'heartbeat.json', counter: 'heartbeat-counter' } as const;

interface Host {
  stateDir: string;
  ownsEtc: boolean;
}

/** Where the file is: beside the relay's configuration, or with the state of a network namespace. */
export const heartbeatFilePath = ({ stateDir, ownsEtc }: Host): string =>
  `${ownsEtc ? '/etc/sidetrack' : stateDir}/${PLACE.name}`;

/** Where a sender without a directory of its own keeps its counter. */
export const heartbeatCounterPath = ({ stateDir, ownsEtc }: Host): string =>
  `${ownsEtc ? '/var/lib/sidetrack' : stateDir}/${PLACE.counter}`;

export const COUNTER_FILE_NAME = PLACE.counter;
