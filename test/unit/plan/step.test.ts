/** What other programs are told of a step. */
import { expect, it } from 'vitest';
import { stepData } from '../../../control/plan/step.js';

const SECRET = '0123456789abcdef0123456789abcdef';

it.each([
  ['a tag, as nft reads it', `{"match":{"op":"==","left":1,"right":"0x${SECRET}"}}`],
  ['a tag that begins with zeros', `{"right":"0x${SECRET.slice(12)}"}`],
  ['a key of the classifier', `{"heartbeat":{"siphashKey":"${SECRET}"}}`],
  ['what the state file remembers', `{"tag":"${SECRET}","siphashKey": "${SECRET}"}`],
  ['the key itself', `{"key":"${SECRET}${SECRET}"}`],
])('has no secrets in it: %s', (_, stdin) => {
  const command = { argv: ['nft', '-j', '-f', '-'], stdin };
  const data = stepData({ ...command, host: 'router', title: 'a step', undo: [command] });
  expect(JSON.stringify(data)).not.toContain(SECRET.slice(12));
  for (const { stdin: shown } of [data, ...data.undo]) expect(shown).toMatch(/"<secret>"/);
});

it('is as it runs where there are none', () => {
  const stdin = '{"elem":["02:00:00:00:01:02","0x96"],"digest":"0123456789abcdef0123456789abcdef"}';
  const step = { host: 'router', title: 'a step', argv: ['nft'], stdin, undo: [] };
  expect(stepData(step).stdin).toBe(stdin);
});
