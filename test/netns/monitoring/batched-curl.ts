/** GET requests from a node of a lab: those of one turn of the event loop share one process. */
import type { Lab } from '../../../control/lab/lab.js';

interface Waiting {
  url: string;
  resolve: (body: string) => void;
  reject: (error: unknown) => void;
}

/** @returns a function from a URL to its body, which must be one line of text. */
export function batchedCurl(lab: Lab, node: string | undefined): (url: string) => Promise<string> {
  let queue: Waiting[] = [];
  const flush = async () => {
    const batch = queue;
    queue = [];
    // Of curl's file of options; a URL from URLSearchParams has no quotes.
    const options = batch.map(({ url }) => `url = "${url}"\nmax-time = 30\nwrite-out = "\\n"`);
    const argv = ['curl', '--silent', '--show-error', '--globoff', '--config', '-'];
    try {
      const { stdout, stderr } = await lab.run(node, argv, { stdin: options.join('\nnext\n') });
      const lines = stdout.split('\n');
      batch.forEach(({ resolve }, index) => {
        resolve(lines[index] || stderr);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  return (url) =>
    new Promise((resolve, reject) => {
      if (queue.length === 0) setImmediate(flush);
      queue.push({ url, resolve, reject });
    });
}
