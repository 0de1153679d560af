import { expect, it } from 'vitest';
import { formatV4 } from '../../../control/config/address.js';
import { SidetrackError } from '../../../control/error.js';
import {
  classifierSpec,
  parseSpec,
  type SpecSteering,
  specPolicy,
} from '../../../control/policy/classifier-spec.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import type { Policy } from '../../../control/policy/rule.js';

const STEERING: SpecSteering = {
  interfaces: ['br-lan'],
  forwarding: 'mark',
  serverInterface: { v4: 'br-lan' },
  nextHop: { v4: '192.168.1.2' },
  serverMacs: [],
  mark: { value: 150, mask: 255 },
  flowTableSize: 1024,
  onFailure: 'direct',
};

const policyOf = (to: PrefixSet): Policy => ({
  rules: [{ name: 'list', action: 'direct', to }],
  default: 'proxy',
});

it('hands over a list that is longer than a call may have arguments', () => {
  const cidrs = Array.from({ length: 300_000 }, (_, i) => `${formatV4(i * 8192)}/24`);
  const policy = policyOf(PrefixSet.parseAll(cidrs));
  const text = JSON.stringify(classifierSpec(policy, STEERING));
  expect(specPolicy(parseSpec(text))).toEqual(policy);
}, 30_000);

it('reads what the version before wrote', () => {
  const current = classifierSpec(policyOf(PrefixSet.parse('192.0.2.0/24')), STEERING);
  const { forwarding: wayOut, ...rest } = current;
  const before = { ...rest, version: 1, wayOut };
  expect(parseSpec(JSON.stringify(before))).toEqual(current);
  expect(() => parseSpec(JSON.stringify({ ...before, version: 3 }))).toThrow('its version is 3');
});

it('says which set has what is no prefix', () => {
  const { sets, ...rest } = classifierSpec(policyOf(PrefixSet.parse('192.0.2.0/24')), STEERING);
  expect(sets).toEqual([['192.0.2.0/24']]);
  expect(() => specPolicy({ ...rest, sets: [['192.0.2.0/33']] })).toThrow(
    expect.objectContaining({
      constructor: SidetrackError,
      code: 'classifier-spec-malformed',
      message: expect.stringContaining('in set 0: '),
    }),
  );
});
