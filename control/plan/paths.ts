/** Where sidetrack keeps files on a host. */

/** Everything of ours at run time is below it. */
export const RUN = '/run';

/** Own file in iproute2's drop-in directory, so that rt_tables itself is not edited. */
export const TABLE_NAME_FILE = '/etc/iproute2/rt_tables.d/sidetrack.conf';

export const savedStatePath = (stateDir: string) => `${stateDir}/state.json`;

/** What nft listed behind a script's last step; the state file without it says only what was wanted. */
export const savedListingPath = (stateDir: string) => `${stateDir}/listing`;

/** The classifier's specification in force, for the roll-back of a later one; earlier versions gave the file its name. */
export const savedSpecPath = (stateDir: string, digest: string) =>
  `${stateDir}/attachment-${digest}.json`;

export const lockPath = (stateDir: string) => `${stateDir}/lock`;

/** Sockets by which the command line reaches relays: started by hand, or as a service of its own user. */
export const RELAY_SOCKETS = ['/run/sidetrack', '/run/sidetrack-relay'] as const;
