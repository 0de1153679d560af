/** SIGHUP: the relay takes its configuration anew for new connections, all of it or nothing. */
import type { Reloads } from '../../../monitoring/reload.js';
import { RelayError } from '../../../proxy/error.js';
import type { Relay } from '../../../proxy/relay.js';
import type { Config } from '../../config/config.js';
import { SidetrackError } from '../../error.js';
import { printWarnings, reportError, say } from '../output.js';
import {
  addressesIn,
  describeChanges,
  needRestart,
  pictureOf,
  type RelaySetup,
  readdressed,
  type SetupPicture,
} from './changes.js';
import type { Service } from './service.js';

export interface Reloading {
  reloads: Reloads;
  /** The one in force. */
  readonly config: Config;
  /** What new connections are told of an upstream. */
  addressesOf(upstream: string): readonly string[];
  /** Its name stands for others now. @throws RelayError when there is no such upstream any more. */
  readdress(upstream: string, addresses: readonly string[]): void;
  /** From now on SIGHUP changes nothing: the relay is about to end. */
  end(): void;
}

/**
 * @param read what the file says now; throws what is wrong with it.
 * @param taken is told of each setup that has come into force, and wipes what it holds of secrets.
 */
export function reloadOnHangup(
  relay: Relay,
  setup: RelaySetup,
  read: () => Promise<RelaySetup>,
  service: Pick<Service, 'reloading' | 'ready'>,
  taken: (setup: RelaySetup) => void,
): Reloading {
  let inForce = settle(setup);
  let ended = false;
  const reloads: Reloads = {
    success: 0,
    failure: 0,
    lastSucceeded: true,
    lastSuccess: Date.now() / 1000,
    get generations() {
      return relay.generations;
    },
  };
  const once = async () => {
    if (ended) return say('SIGHUP: no reload, the relay is ending');
    service.reloading();
    try {
      const next = await read();
      inForce = await reload(relay, inForce, next);
      taken(next);
      reloads.success++;
      reloads.lastSucceeded = true;
      reloads.lastSuccess = Date.now() / 1000;
    } catch (error) {
      reloads.failure++;
      reloads.lastSucceeded = false;
      reportError(asKnown(error), false);
      say('reload failed: what ran before goes on unchanged');
    }
    service.ready(reloads.lastSucceeded ? 'reloaded' : 'the last reload failed');
  };
  process.on('SIGHUP', oneAtATime(once));
  return {
    reloads,
    get config() {
      return inForce.config;
    },
    addressesOf: (upstream) => addressesIn(inForce, upstream),
    readdress: (upstream, addresses) => {
      relay.setAddresses(upstream, addresses);
      inForce = readdressed(inForce, upstream, addresses);
    },
    end: () => {
      ended = true;
    },
  };
}

async function reload(relay: Relay, before: SetupPicture, next: RelaySetup): Promise<SetupPicture> {
  await relay.reload(next.options);
  const after = settle(next);
  printWarnings(next.config.warnings);
  say(`reloaded ${next.config.file}: ${describeChanges(before, after)}`);
  const later = needRestart(before, after);
  if (later.length > 0) say(`  only a restart brings into force: ${later.join(', ')}`);
  // What has not come into force is compared with again next time.
  return { ...after, fixed: before.fixed };
}

/** The engine has its own copy of the passwords; this process keeps none. */
function settle(setup: RelaySetup): SetupPicture {
  const picture = pictureOf(setup);
  for (const { password } of setup.options.upstreams ?? []) password?.fill(0);
  return picture;
}

function asKnown(error: unknown): unknown {
  if (!(error instanceof RelayError)) return error;
  const { message, hint } = error;
  return new SidetrackError(message, { code: 'relay-reload', source: 'host', hint, cause: error });
}

/** However often it is asked meanwhile, one more run follows the one at hand. */
function oneAtATime(work: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async () => {
    running = true;
    do {
      again = false;
      await work();
    } while (again);
    running = false;
  };
  return () => {
    if (running) again = true;
    else void run();
  };
}
