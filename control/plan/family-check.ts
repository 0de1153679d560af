/** Clients of a family in which the server has no address. Pure. */
import type { Config } from '../config/config.js';
import { fateOf, unservedFamilies } from '../config/family-note.js';
import type { Finding } from './finding.js';
import type { Family, InterfaceFacts, ObservedHost } from './state.js';

export function unservedClients(config: Config, router: ObservedHost): Finding[] {
  const { name } = config.servers[0]!;
  return unservedFamilies(config).flatMap((family) => {
    const listed = config.router.interfaces
      .flatMap((wanted) => router.interfaces.filter((one) => one.name === wanted))
      .filter((one) => subnetOf(one, family) !== undefined);
    if (listed.length === 0) return [];
    const names = listed.map((one) => `${one.name} (${subnetOf(one, family)})`).join(', ');
    return [
      {
        path: ['servers', 0, 'address'],
        message: `clients on ${names} have IPv${family}, and ${name} has no IPv${family} address: IPv${family} that rules proxy ${fateOf(config)}`,
        hint: `give ${name} an IPv${family} address of that subnet and add it to \`address\`${config.onFailure === 'direct' ? ', or write on_failure: block' : ''}`,
      },
    ];
  });
}

/** Link-local addresses lead to no Internet. */
function subnetOf({ addresses }: InterfaceFacts, family: Family): string | undefined {
  const found = addresses.find(
    (one) => one.family === family && !/^(fe[89ab]|169\.254\.)/.test(one.address),
  );
  return found && `${found.address}/${found.prefixLength}`;
}
