/** What a file that gives the server one family means for the other. */
import { carriedFamilies, fateOf } from './carried.js';
import type { Config } from './config.js';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { BOTH, type Family, familiesOf, servedFamilies } from './families.js';

/** The families of which rules proxy something that no server can take. */
function unservedFamilies(config: Config): Family[] {
  const served = servedFamilies(config);
  return BOTH.filter((family) => {
    if (served.includes(family)) return false;
    const proxied = config.rules.filter(({ action }) => action === 'proxy');
    const covers = ({ from, to }: (typeof proxied)[number]) =>
      (from?.macs.length || familiesOf(config, from).includes(family)) &&
      familiesOf(config, to).includes(family);
    return config.default === 'proxy' || proxied.some(covers);
  });
}

/** The same, where an address of the server is what is missing: see `familyWarnings` for the others. */
export function addresslessFamilies(config: Config): Family[] {
  if (config.servers.some(({ program }) => program !== 'relay')) return unservedFamilies(config);
  const carried = carriedFamilies(config.relay);
  return unservedFamilies(config).filter((family) => carried.includes(`ipv${family}`));
}

/** Servers that lack an address of a family in which another server takes what rules proxy. */
export function serversWithout(
  config: Config,
): { family: Family; index: number; others: string }[] {
  const hasAddress = ({ address }: Config['servers'][number], family: Family) =>
    (family === 4 ? address.v4 : address.v6) !== undefined;
  return servedFamilies(config).flatMap((family) => {
    const able = config.servers.filter((server) => hasAddress(server, family));
    const others = able.map(({ name }) => name).join(', ');
    return config.servers.flatMap((server, index) =>
      hasAddress(server, family) || isUncarried(server, family) ? [] : [{ family, index, others }],
    );
  });
}

/** It has one, and nothing is handed to it, as `familyWarnings` tells. */
const isUncarried = ({ uncarried }: Config['servers'][number], family: Family): boolean =>
  (family === 4 ? uncarried?.v4 : uncarried?.v6) !== undefined;

/** Right for many networks, so no warning; wrong where clients have the other family after all. */
export function familyNotes(config: Config): Diagnostic[] {
  const at = (index: number, message: string, hint: string) =>
    diagnosticAt(config.positionOf(['servers', index, 'address']), { message, hint });
  return [
    ...addresslessFamilies(config).flatMap((family) =>
      config.servers.map(({ name }, index) =>
        at(
          index,
          `${name} has no IPv${family} address, so nothing of IPv${family} is handed over: IPv${family} that rules proxy ${fateOf(config)}`,
          `where clients have IPv${family}, give ${name} an address there and write it down`,
        ),
      ),
    ),
    ...serversWithout(config).map(({ family, index, others }) => {
      const { name } = config.servers[index]!;
      return at(
        index,
        `${name} has no IPv${family} address: IPv${family} goes to ${others} alone`,
        `where clients have IPv${family}, give ${name} an address there and write it down`,
      );
    }),
  ];
}
