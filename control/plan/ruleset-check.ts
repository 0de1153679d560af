/** What nft on a host lets us see. Pure. */
import type { Config } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import { type Finding, locate } from './finding.js';
import type { ObservedHost } from './state.js';

/** Warned of, because the rules of others may well be in the way, and were not looked at. */
export function unreadRuleset(
  config: Config,
  name: string,
  { address, rulesetUnread }: ObservedHost,
): Diagnostic[] {
  if (rulesetUnread === undefined) return [];
  const index = config.servers.findIndex((server) => server.name === name);
  const finding: Finding = {
    path: index < 0 ? ['router', 'host'] : ['servers', index, 'host'],
    message: `nft on ${address} cannot list the rules of other programs, so only sidetrack's own table was read (${rulesetUnread})`,
    hint: 'to find the table that it does not understand: nft list tables, then nft list table for each; a newer nftables may understand it',
  };
  return locate(config, [finding]);
}
