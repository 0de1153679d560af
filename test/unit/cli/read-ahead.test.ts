import { totalmem } from 'node:os';
import { expect, it } from 'vitest';
import {
  budgetOf,
  budgetOfMemory,
  readAheadBudget,
  readAheadText,
} from '../../../control/cli/relay/read-ahead.js';
import { parseConfig } from '../../../control/config/load.js';

const relay = async (text: string) => {
  const config = await parseConfig(
    'x.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
relay: { ${text} }
`,
  );
  return config.relay;
};

it('the budget is a quarter of what tcp_mem calls pressure, in MiB', () => {
  expect(budgetOf('287901\t383868\t575802\n')).toBe(374);
  expect(budgetOf('10 100 200')).toBe(1);
  expect([budgetOf(''), budgetOf('nonsense here')]).toEqual([undefined, undefined]);
});

it('where tcp_mem is not shown it is reckoned from memory, as the kernel does', () => {
  expect(budgetOfMemory(2 ** 30)).toBe(16);
  expect(budgetOfMemory(1)).toBe(1);
  expect(readAheadBudget('/nonexistent')).toBe(budgetOfMemory(totalmem()));
  expect(readAheadBudget('/dev/null')).toBe(budgetOfMemory(totalmem()));
});

it('the start tells what is bounded', async () => {
  expect(readAheadText(await relay('read_ahead: 65536, read_ahead_budget_mib: 7'))).toMatch(
    /^read-ahead of stalled connections: 64 KiB each, 7 MiB in all/,
  );
  expect(readAheadText(await relay('read_ahead_budget_mib: 0'))).toMatch(
    /1024 KiB each, without a limit for all/,
  );
  expect(readAheadText(await relay('read_ahead: 0'))).toMatch(/as the kernel likes$/);
});

it.each(['-1', '67108865', '"1 MiB"', '0.5'])('read_ahead: %s is wrong', async (value) => {
  await expect(relay(`read_ahead: ${value}`)).rejects.toThrow(
    'must be a whole number from 0 to 67108864',
  );
});
