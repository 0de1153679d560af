/**
 * ssh(1) with a count of how often the far end was asked: `ssh-turns.mjs LOG SSH ARGUMENT…` appends the host to LOG each
 * time that something is sent after something was received, or at first. What stands between is one round trip.
 */
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

const [log, ssh, ...args] = process.argv.slice(2);
const host = args[args.indexOf('--') + 1];
const child = spawn(ssh, args, { stdio: ['pipe', 'pipe', 'inherit'] });
let asking = false;

process.stdin.on('data', (chunk) => {
  if (!asking) appendFileSync(log, `${host}\n`);
  asking = true;
  child.stdin.write(chunk);
});
process.stdin.on('end', () => child.stdin.end());
child.stdin.on('error', () => undefined);
child.stdout.on('data', (chunk) => {
  asking = false;
  process.stdout.write(chunk);
});
child.on('close', (code) => process.exit(code ?? 255));
