/** How far a benchmark is: a bar where there is a terminal, lines now and then elsewhere. */
import type { BenchProgress } from '../../bench/run.js';
import { printable } from '../../config/diagnostic.js';
import { say } from '../output.js';

const WIDTH = 30;
const EVERY_MS = 5000;
const CLEAR_LINE = '\r\x1b[K';

export function benchProgress(): BenchProgress & { end(): void } {
  const live = process.stderr.isTTY === true;
  let said = 0;
  let isOpen = false;
  return {
    say: (line) => {
      if (isOpen) process.stderr.write(CLEAR_LINE);
      isOpen = false;
      say(`  ${printable(line)}`);
    },
    step: (done, total, what) => {
      if (live) {
        const filled = Math.round((done / total) * WIDTH);
        const bar = '█'.repeat(filled).padEnd(WIDTH, '·');
        const room = Math.max(0, process.stderr.columns - WIDTH - 15);
        const text = printable(what).slice(0, room);
        process.stderr.write(`${CLEAR_LINE}  ${bar} ${done}/${total} ${text}`);
        isOpen = true;
      } else if (Date.now() - said >= EVERY_MS || done === total) {
        said = Date.now();
        say(`  ${done}/${total} ${printable(what)}`);
      }
    },
    end: () => {
      if (isOpen) process.stderr.write(CLEAR_LINE);
      isOpen = false;
    },
  };
}
