// Opens new connections without a pause, FLOWS at a time, until its standard input ends.
//   knock HOST FLOWS
// Each is one download whose SHA-256 is compared. Prints {"first":true} once one has succeeded, and in
// the end {"attempts", "failed": {code: count}, "wrong", "perSecond"}.
import { createHash, randomInt } from 'node:crypto';
import { get } from 'node:http';
import { pseudoRandomDigest } from './pseudo-random.mjs';

const [, , host, flows] = process.argv;
const SIZES = [0, 1, 1447, 20_000];
const digests = new Map(SIZES.map((size) => [size, pseudoRandomDigest(size)]));
const TIMEOUT_MS = 20_000;

let running = true;
let attempts = 0;
let wrong = 0;
const failed = {};
const began = Date.now();

function attempt(size) {
  return new Promise((resolve) => {
    const fail = (code) => {
      failed[code] = (failed[code] ?? 0) + 1;
      resolve();
    };
    const request = get({ host, port: 80, path: `/bytes/${size}`, agent: false }, (response) => {
      const hash = createHash('sha256');
      response.on('data', (chunk) => hash.update(chunk));
      response.on('error', (error) => fail(error.code));
      response.on('end', () => {
        if (hash.digest('hex') !== digests.get(size)) wrong++;
        resolve();
      });
    });
    request.setTimeout(TIMEOUT_MS, () =>
      request.destroy(Object.assign(new Error(), { code: 'silent' })),
    );
    request.on('error', (error) => fail(error.code));
  });
}

async function flow() {
  while (running) {
    await attempt(SIZES[randomInt(SIZES.length)]);
    if (attempts++ === 0) console.log(JSON.stringify({ first: true }));
  }
}

process.stdin.resume().on('end', () => {
  running = false;
});
await Promise.all(Array.from({ length: Number(flows) }, flow));
const perSecond = Math.round((attempts * 1000) / (Date.now() - began));
console.log(JSON.stringify({ attempts, failed, wrong, perSecond }));
process.exit(0);
