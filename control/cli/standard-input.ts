/** All of standard input as text. */
import { text } from 'node:stream/consumers';
import { SidetrackError } from '../error.js';

/** @throws SidetrackError when a person's terminal would be waited for. */
export function readStandardInput(): Promise<string> {
  if (process.stdin.isTTY)
    throw new SidetrackError('the policy comes on standard input', {
      code: 'input-missing',
      source: 'user',
      hint: 'sidetrack bpf attach < specification.json',
    });
  return text(process.stdin);
}
