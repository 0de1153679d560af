/** Which rule of the configuration steers a connection here, by the reference reading of the policy. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { RuleAnswer } from '../../../monitoring/connection-page.js';
import { hostOf } from '../../../monitoring/connection-query.js';
import type { AskWhy } from '../../../monitoring/why-page.js';
import { familyOf, parseAddress } from '../../config/address.js';
import type { Config } from '../../config/config.js';
import { ownRelayConfig } from '../../plan/relay-config.js';
import { compilePolicy } from '../../policy/compile.js';
import { type Packet, ruleMatches } from '../../policy/evaluate.js';
import type { Policy, Rule } from '../../policy/rule.js';

type Reason = Omit<RuleAnswer, 'version'>;

interface Known {
  of: Config;
  policy: Policy;
  /** The file holds what a relay needs, which rules are not. */
  isPart: boolean;
}

/**
 * @param config the one in force
 * @param whole who is asked where that is the part without rules that `apply` wrote; an error says why there is no answer
 * @returns answers for a client and a destination as the engine writes them
 */
export function whyFrom(config: () => Config, whole?: AskWhy): AskWhy {
  let known: Known | undefined;
  return async (client, destination) => {
    const now = config();
    if (known?.of !== now)
      known = { of: now, policy: compilePolicy(now), isPart: isWrittenByApply(now) };
    const packet = packetOf(client, destination);
    if (packet === undefined) return { action: 'unknown', text: 'its addresses cannot be read' };
    if (!known.isPart) return reasonOf(now, known.policy, packet);
    try {
      if (whole !== undefined) return await whole(client, destination);
      return { action: 'proxy', text: `${ELSEWHERE}: run \`sidetrack exporter\` with that file` };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return {
        action: 'proxy',
        text: `${ELSEWHERE}, and ${reason}; run \`sidetrack exporter\` with that file, where its section exporter says`,
      };
    }
  };
}

const ELSEWHERE =
  'the rules are in the file that `sidetrack apply` reads, of which this is a part without them';

/** Its file is what a relay needs of the whole. */
export function isWrittenByApply({ file }: Config): boolean {
  try {
    return ownRelayConfig({ content: readFileSync(file, 'utf8'), mode: 0 });
  } catch {
    return false;
  }
}

function packetOf(client: string, destination: string): Packet | undefined {
  const [from, to] = [parseAddress(hostOf(client)), parseAddress(hostOf(destination))];
  if (from === undefined || to === undefined) return undefined;
  return {
    // A relay sees none.
    sourceMac: '',
    family: familyOf(to),
    source: from,
    destination: to,
    protocol: 'tcp',
    destinationPort: Number(destination.slice(destination.lastIndexOf(':') + 1)),
  };
}

function reasonOf(config: Config, { rules, nat64, default: last }: Policy, packet: Packet): Reason {
  const found = rules.find((rule) => ruleMatches(rule, packet, nat64));
  const before = rules.slice(0, found === undefined ? rules.length : rules.indexOf(found));
  const maybe = before.filter((rule) => ruleMatches(withoutMacs(rule), packet, nat64));
  const [name, action] = found === undefined ? ['default', last] : [found.name, found.action];
  const place = placeOf(config, found?.name);
  const byMac = maybe.map((rule) => `"${rule.name}"`).join(', ');
  const text = [
    found === undefined
      ? `no rule matches it: default: ${action}`
      : `rule "${name}" is the first that matches it: ${action}`,
    ...(byMac === '' ? [] : [`unless it is by its MAC, which a relay cannot see: ${byMac}`]),
    ...(action === 'proxy' ? [] : ['it was handed over before the rules were as they are now']),
  ].join('; ');
  return { rule: name, action, text, ...(place !== undefined && { at: place }) };
}

/** The rule, if the MAC were the right one. */
function withoutMacs({ macs: _, from, ...rest }: Rule): Rule {
  return from === undefined || from.macs.length > 0 ? rest : { ...rest, from };
}

/** Without the directory: who asks may be no user of this machine. */
function placeOf(config: Config, rule: string | undefined): string | undefined {
  const position =
    rule === undefined
      ? config.positionOf(['default'])
      : config.rules.find(({ name }) => name === rule)?.position;
  return position && `${basename(position.file)}:${position.line}:${position.column}`;
}
