import { describe, expect, it } from 'vitest';
import { companionTable } from '../../../control/nft/companion-table.js';
import { chainLines } from '../../../control/nft/text.js';
import { HEALTHY } from './health-tables.js';

describe('the table beside the eBPF classifier', () => {
  const table = companionTable(HEALTHY);
  const linesOf = (chain: string) =>
    table.chains
      .filter(({ name }) => name === chain)
      .flatMap(chainLines)
      .filter((line) => line.includes('heartbeats'))
      .map((line) => line.trim());

  it('takes heartbeats of servers alone before NAT: others may answer masqueraded clients', () => {
    const take = 'udp dport 9155 fib daddr type local goto heartbeats';
    const [v4, v6] = [`ip saddr @server4 ${take}`, `ip6 saddr @server6 ${take}`];
    expect(linesOf('prerouting')).toEqual([v4, v6]);
    expect(linesOf('elsewhere')).toEqual([v4, v6].map((line) => `meta iifname { dmz } ${line}`));
  });

  it('delivers nothing that comes to the port', () => {
    expect(linesOf('input')).toEqual([
      'udp dport 9155 meta iifname { br-lan, dmz } goto heartbeats',
    ]);
  });
});
