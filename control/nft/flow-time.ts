/** For how long flows are remembered, and the two families that they come in. */

/**
 * RFC 5382's time-outs for address translators: REQ-5 asks for at least 2 h 4 min for established
 * connections and 4 minutes for those that open or close.
 */
export const ESTABLISHED_SECONDS = 7440;
export const TRANSITORY_SECONDS = 240;

export type Family = 4 | 6;
export const FAMILIES: readonly Family[] = [4, 6];
export const ipProtocol = (family: Family) => (family === 4 ? 'ip' : 'ip6');
