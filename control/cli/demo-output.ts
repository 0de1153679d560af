/** How the demo looks. What it does is in `lab/demo.ts`. */
import pc from 'picocolors';
import type { DemoPrinter, Throughput } from '../lab/demo.js';
import { print, table } from './output.js';

export const TOPOLOGY_PICTURE = `
   client 192.168.1.10 ──┐                                    ┌── internet
          fd00:1::10     │  br-lan                       wan  │   198.51.100.7 .8 .9
                         ├────────────── router ──────────────┘   2001:db8:1::7 ::8 ::9
  server1 192.168.1.2  ──┘               │ lan2
          fd00:1::2                      └── client2 192.168.2.10  fd00:2::10
`;

const WIDTH = 40;

export function demoPrinter(): DemoPrinter {
  const live = process.stdout.isTTY === true;
  return {
    heading: (text) => print(`\n${pc.bold(pc.cyan(`── ${text}`))}`),
    text: (text) => print(text),
    picture: () => print(TOPOLOGY_PICTURE),
    command: (line, output) => {
      print(pc.dim(`$ ${line}`));
      for (const row of output.trimEnd().split('\n')) print(`  ${row}`);
    },
    progress: (label, gigabits, highest) => {
      const filled = Math.round((gigabits / Math.max(highest, 0.001)) * WIDTH);
      const bar = '█'.repeat(Math.min(filled, WIDTH)).padEnd(WIDTH, '·');
      const line = `  ${label.padEnd(28)} ${bar} ${gigabits.toFixed(2).padStart(6)} Gbit/s`;
      if (live) process.stdout.write(`\r${line}`);
      else print(line);
    },
    progressEnd: () => {
      if (live) print();
    },
    throughput: (rows) => {
      for (const line of table(['path', 'IPv4 Gbit/s', 'IPv6 Gbit/s'], rows.map(cells)))
        print(`  ${line}`);
    },
    proof: (claim, evidence) => {
      print(`  ${pc.green('✓')} ${claim}`);
      for (const line of evidence) print(`      ${pc.dim(line)}`);
    },
  };
}

const cells = ({ path, v4, v6 }: Throughput) => [path, v4.toFixed(2), v6.toFixed(2)];
