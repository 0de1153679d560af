/** What a file that gives the server one family means for the other. */
import { carriedFamilies } from './carried.js';
import type { Config } from './config.js';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { type Family, familiesOf } from './families.js';

/** The families of which rules proxy something that no server can take. */
export function unservedFamilies(config: Config): Family[] {
  const { v4, v6 } = config.servers[0]!.address;
  return ([4, 6] as const).filter((family) => {
    if ((family === 4 ? v4 : v6) !== undefined) return false;
    const proxied = config.rules.filter(({ action }) => action === 'proxy');
    const covers = ({ from, to }: (typeof proxied)[number]) =>
      (from?.macs.length || familiesOf(config, from).includes(family)) &&
      familiesOf(config, to).includes(family);
    return config.default === 'proxy' || proxied.some(covers);
  });
}

/** What becomes of a flow that is to be proxied and cannot be. */
export function fateOf({ onFailure }: Config): string {
  return onFailure === 'block'
    ? 'is dropped (on_failure: block)'
    : 'goes out directly (on_failure: direct)';
}

/** Right for many networks, so no warning; wrong where clients have the other family after all. */
export function familyNotes(config: Config): Diagnostic[] {
  const { name, program } = config.servers[0]!;
  // What no upstream carries is warned of with another cure.
  const carried = program === 'relay' ? carriedFamilies(config.relay) : ['ipv4', 'ipv6'];
  const unserved = unservedFamilies(config).filter((family) => carried.includes(`ipv${family}`));
  return unserved.map((family) =>
    diagnosticAt(config.positionOf(['servers', 0, 'address']), {
      message: `${name} has no IPv${family} address, so nothing of IPv${family} is handed over: IPv${family} that rules proxy ${fateOf(config)}`,
      hint: `where clients have IPv${family}, give ${name} an address there and write it down`,
    }),
  );
}
