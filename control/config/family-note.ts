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

/** Right for many networks, so no warning; wrong where clients have the other family after all. */
export function familyNotes(config: Config): Diagnostic[] {
  return addresslessFamilies(config).flatMap((family) =>
    config.servers.map(({ name }, index) =>
      diagnosticAt(config.positionOf(['servers', index, 'address']), {
        message: `${name} has no IPv${family} address, so nothing of IPv${family} is handed over: IPv${family} that rules proxy ${fateOf(config)}`,
        hint: `where clients have IPv${family}, give ${name} an address there and write it down`,
      }),
    ),
  );
}
