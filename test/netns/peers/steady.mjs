// HOST FLOWS BYTES: so many downloads at a time, each with its digest compared, one behind the other until standard input ends.
// `started` at first; for each line of input, once every flow has gone on behind it, a line of JSON: the longest silence of one since the
// last such line in ms, the downloads that ended since, and what went wrong with some.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { pseudoRandomDigest } from './pseudo-random.mjs';

const [, , host, flows, bytes] = process.argv;
/** A download that gets nothing for so long is given up. */
const SILENCE_MS = 20_000;

const wanted = pseudoRandomDigest(Number(bytes));
let silenceMs = 0;
let downloads = 0;
let wrong = [];
let ended = false;

class Flow {
  last = performance.now();
  waiting = [];

  heard() {
    const now = performance.now();
    silenceMs = Math.max(silenceMs, Math.round(now - this.last));
    this.last = now;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  goesOn() {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async run() {
    while (!ended) {
      const outcome = await this.download().catch((error) => error.code ?? error.message);
      downloads++;
      if (outcome !== wanted) wrong.push(outcome);
      this.heard();
    }
  }

  async download() {
    const url = { host, port: 80, path: `/bytes/${bytes}`, agent: false };
    const request = get(url);
    request.setTimeout(SILENCE_MS, () => {
      const { localPort } = request.socket;
      request.destroy(new Error(`port ${localPort} was silent for ${SILENCE_MS} ms`));
    });
    const [response] = await once(request, 'response');
    const hash = createHash('sha256');
    for await (const chunk of response) {
      this.heard();
      hash.update(chunk);
    }
    return hash.digest('hex');
  }
}

const all = Array.from({ length: Number(flows) }, () => new Flow());
const running = all.map((flow) => flow.run());
await Promise.all(all.map((flow) => flow.goesOn()));
console.log('started');
for await (const _ of createInterface({ input: process.stdin })) {
  await Promise.all(all.map((flow) => flow.goesOn()));
  console.log(JSON.stringify({ silenceMs, downloads, wrong }));
  silenceMs = 0;
  downloads = 0;
  wrong = [];
}
ended = true;
await Promise.all(running);
