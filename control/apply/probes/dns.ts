/** Whether a host's own resolver answers. */
import type { Probe } from './probe.js';

export function dnsProbes(host: string, names: readonly string[]): Probe[] {
  return names.map((name) => ({
    name: `dns ${name}`,
    works: `${host} resolves ${name}`,
    fails: `${host} no longer resolves ${name}`,
    call: ['resolves', name, queryFor(name)],
  }));
}

/**
 * For `printf`: a question for the A record, asked recursively. Its number is the letters `st`, because a shell
 * keeps no other bytes.
 */
export function queryFor(name: string): string {
  const labels = name.replace(/\.$/, '').split('.');
  const bytes = [0x73, 0x74, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  const question = labels.flatMap((label) => [label.length, ...Buffer.from(label)]);
  return [...bytes, ...question, 0, 0, 1, 0, 1].map(octal).join('');
}

const octal = (byte: number) => `\\${byte.toString(8).padStart(3, '0')}`;
