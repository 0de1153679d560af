/**
 * ssh(1) with a count of how often the far end was asked: `ssh-turns.mjs LOG SSH ARGUMENT…` appends the host to LOG each
 * time that a script begins after something was received, or at first. What stands between is one round trip. A script
 * is its length, a line break and its text; one that is longer than a pipe goes in pieces, and its first answers come between them.
 */
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

const [log, ssh, ...args] = process.argv.slice(2);
const host = args[args.indexOf('--') + 1];
const child = spawn(ssh, args, { stdio: ['pipe', 'pipe', 'inherit'] });
let asking = false;
/** Bytes of the script that is being sent. */
let left = 0;
/** As much of the next one's length as has come. */
let length = '';

function ask() {
  if (!asking) appendFileSync(log, `${host}\n`);
  asking = true;
}

function follow(chunk) {
  for (let at = 0; at < chunk.length; ) {
    if (left > 0) {
      const part = Math.min(left, chunk.length - at);
      left -= part;
      at += part;
      continue;
    }
    if (length === '') ask();
    length += String.fromCharCode(chunk[at++]);
    if (!length.endsWith('\n')) continue;
    left = Number(length);
    if (!Number.isInteger(left)) throw new Error(`not the length of a script: ${length}`);
    length = '';
  }
}

process.stdin.on('data', (chunk) => {
  follow(chunk);
  child.stdin.write(chunk);
});
process.stdin.on('end', () => child.stdin.end());
child.stdin.on('error', () => undefined);
child.stdout.on('data', (chunk) => {
  asking = false;
  process.stdout.write(chunk);
});
child.on('close', (code) => process.exit(code ?? 255));
