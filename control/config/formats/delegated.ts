/**
 * Statistics of a routing registry (RIR statistics exchange format): `registry|cc|type|start|value|date|status`.
 * The value of IPv4 counts addresses, which need not be a power of two; that of IPv6 is a prefix length.
 */
import { parseAddress } from '../address.js';
import type { Gathering } from '../gathering.js';
import type { ListChoice } from './choice.js';
import { linesOf } from './lines.js';

/** What is `available` or `reserved` belongs to no country. */
const IN_USE = new Set(['allocated', 'assigned']);
const ALL_V4 = 2 ** 32;

export function readDelegated(
  file: string,
  text: string,
  { countries }: ListChoice,
  found: Gathering,
): void {
  const wanted = new Set(countries);
  for (const { text: line, at } of linesOf(file, text)) {
    if (line.startsWith('#')) continue;
    const [, country = '', type, start = '', value = '', , status = ''] = line.split('|');
    if (type !== 'ipv4' && type !== 'ipv6') continue;
    if (!wanted.has(country) || !IN_USE.has(status)) continue;
    const bad = () => found.refuse(line, { message: 'this is no line of such statistics' }, at);
    if (type === 'ipv6') {
      if (/^\d{1,3}$/.test(value)) found.take(`${start}/${value}`, at);
      else bad();
      continue;
    }
    const first = parseAddress(start);
    const count = /^\d{1,10}$/.test(value) ? Number(value) : 0;
    if (typeof first !== 'number' || count < 1 || first + count > ALL_V4) bad();
    else found.add({ family: 4, first, last: first + count - 1 }, line, at);
  }
}
