/** What a relay and the command line say to each other over the control socket: one shape for both. */
import { z } from 'zod';

/** Raised when what is there already changes its meaning. */
export const CONTROL_VERSION = 1;
/** Most connections that one request may close. */
export const CLOSE_MOST = 1024;

/** Before there were versions the shape was the same. */
const version = z.literal(CONTROL_VERSION).exactOptional();

const id = z.int().min(0);
const amount = z.number().min(0);

const direction = z.object({
  bytes: amount,
  /** These words are shown as they are: another relay may have more of them. */
  mode: z.string(),
  stalled: z.boolean(),
  ended: z.boolean(),
});

/** `OpenConnection` of the engine, after its way through JSON. */
const connection = z.object({
  id,
  acceptedAt: z.string(),
  age: amount,
  idle: amount,
  client: z.string(),
  clientFrom: z.string(),
  originalDestination: z.string(),
  upstream: z.string().exactOptional(),
  route: z.string().exactOptional(),
  state: z.string(),
  upload: direction,
  download: direction,
  rtt: z.object({ client: amount.exactOptional(), upstream: amount.exactOptional() }),
});

export type ListedConnection = z.output<typeof connection>;

/** GET /relay */
export const aboutRelay = z.object({
  version,
  pid: z.int().min(1),
  port: z.int().min(0).max(65535),
});

/** GET /connections; `at` is Unix time in seconds. */
export const connectionList = z.object({ version, at: amount, connections: z.array(connection) });

export type ConnectionList = z.output<typeof connectionList>;

/* GET /state is `state` of state.ts. */

/** POST /close, and the answer: those that were still open. */
export const closeRequest = z.object({ ids: z.array(id).min(1).max(CLOSE_MOST) });
export const closeAnswer = z.object({ version, closed: z.array(connection) });

/** Where the status is another than 200. */
export const refusal = z.object({ error: z.string() });
