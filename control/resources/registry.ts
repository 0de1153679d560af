/**
 * All kinds of resources, in the order that keeps each half-way state harmless.
 *
 * Apply makes what is new from top to bottom: what routes marked packets comes before what marks them.
 * Then it clears what is stale from bottom to top: what marks goes before what routes. Down clears
 * everything from bottom to top.
 */
import { classifier } from './classifier.js';
import { directory } from './directory.js';
import { file } from './file.js';
import { heartbeatKey } from './heartbeat-key.js';
import type { ResourceKind } from './kind.js';
import { nftTable } from './nft-table.js';
import { persist } from './persist.js';
import { relayUnit } from './relay-unit.js';
import { route } from './route.js';
import { rule } from './rule.js';
import { sysctl } from './sysctl.js';
import { targetMemory } from './target-memory.js';

export const RESOURCES: readonly ResourceKind[] = [
  // Whatever writes a file makes its directories, and they are empty when all else is gone.
  directory,
  // It runs before anything is steered to it, and until nothing is.
  relayUnit,
  // Of a user that there is once it runs; without it the router takes the server for dead.
  heartbeatKey,
  sysctl,
  file,
  route,
  rule,
  // It hides from conntrack what the classifier steers. A table that gives up its live flows to the
  // classifier clears, so that they move before they go; see `losesFlows`.
  nftTable,
  classifier,
  targetMemory,
  // For the next boot: when all else stands and is confirmed. Down stops the watcher before there is anything to repair.
  persist,
];
