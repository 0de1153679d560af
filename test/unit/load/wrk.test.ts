import { expect, it } from 'vitest';
import { readWrk } from '../../load/loads.js';

const output = (rest = '') => `Running 2s test @ http://198.51.100.7:8080/64
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.81ms    1.25ms  19.33ms   87.80%
  71280 requests in 2.01s, 16.93MB read
${rest}Requests/sec:  35462.69
Transfer/sec:      8.42MB
`;

it('reads how many requests took how long', () => {
  expect(readWrk(output())).toEqual({ amount: 71280, seconds: 2.01 });
});

it.each([
  '  Socket errors: connect 0, read 3, write 0, timeout 0\n',
  '  Non-2xx or 3xx responses: 12\n',
])('takes no figure with failures in it: %s', (line) => {
  expect(() => readWrk(output(line))).toThrow(line.trim());
});
