import { expect, it } from 'vitest';
import { formatV4 } from '../../../control/config/address.js';
import { SidetrackError } from '../../../control/error.js';
import {
  classifierSpec,
  listeningInterfaces,
  parseSpec,
  type SpecSteering,
  specGroups,
  specPolicy,
} from '../../../control/policy/classifier-spec.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import type { Policy } from '../../../control/policy/rule.js';

const TARGET = {
  serverInterface: { v4: 'br-lan' },
  nextHop: { v4: '192.168.1.2' },
  macs: [],
  mark: { value: 150, mask: 255 },
};

const STEERING: SpecSteering = {
  interfaces: ['br-lan'],
  forwarding: 'mark',
  targets: [TARGET],
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

it('reads what the versions before wrote', () => {
  const current = classifierSpec(policyOf(PrefixSet.parse('192.0.2.0/24')), STEERING);
  const { forwarding: wayOut, targets: _targets, ...rest } = current;
  const { macs: serverMacs, ...target } = TARGET;
  const before = { ...rest, ...target, serverMacs, version: 1, wayOut };
  expect(parseSpec(JSON.stringify(before))).toEqual(current);
  expect(parseSpec(JSON.stringify({ ...current, version: 2 }))).toEqual(current);
  expect(() => parseSpec(JSON.stringify({ ...before, version: 4 }))).toThrow('its version is 4');
  const newer = { ...current, version: 2, balance: 'flow' };
  expect(() => parseSpec(JSON.stringify(newer))).toThrow('Unrecognized key: "balance"');
});

const KEY = '0123456789abcdef0123456789abcdef';
const HEARTBEAT = { address: { v4: '192.168.1.2' }, siphashKey: KEY, macFixed: false };
const BEATING = { ...TARGET, name: 's1', health: 'heartbeat' as const, heartbeat: HEARTBEAT };
const groups = (...numbers: number[][]) => numbers.map((targets) => ({ targets }));

it('has groups where there is anything to choose', () => {
  const policy = { ...policyOf(PrefixSet.parse('192.0.2.0/24')), groups: groups([0]) };
  const made = (steering: Partial<SpecSteering>, ...of: number[][]) =>
    classifierSpec(
      { ...policy, ...(of.length > 0 && { groups: groups(...of) }) },
      {
        ...STEERING,
        ...steering,
      },
    );
  expect(made({}).groups).toBeUndefined();
  expect(made({ targets: [BEATING] }).groups).toEqual([[0]]);
  expect(made({ targets: [{ ...TARGET, drained: true }] }).groups).toEqual([[0]]);
  const two = made({ targets: [TARGET, BEATING] }, [0, 1], [1]);
  expect(two.groups).toEqual([[0, 1], [1]]);
  const back = specPolicy(parseSpec(JSON.stringify(two)));
  expect(back.groups).toEqual(groups([0, 1], [1]));
});

it('says which group or target is not there', () => {
  const policy = policyOf(PrefixSet.parse('192.0.2.0/24'));
  const rules = [{ name: 'a', action: 'proxy' as const, group: 1 }];
  const two = classifierSpec(
    { ...policy, groups: groups([0, 1]) },
    {
      ...STEERING,
      targets: [{ ...TARGET, number: 3 }, TARGET],
    },
  );
  expect(() => specGroups(two)).toThrow('there is no target 0');
  expect(() => specGroups({ ...two, groups: [[1]], rules })).toThrow('there is no group 1');
  expect(specGroups({ ...two, groups: [[3, 1]] })).toMatchObject([[{ number: 3 }, { number: 1 }]]);
});

it('hears servers where they are, beside the clients', () => {
  const behind = { ...BEATING, serverInterface: { v4: 'dmz', v6: 'br-lan' } };
  const silent = { ...TARGET, serverInterface: { v4: 'other' } };
  const made = classifierSpec(policyOf(PrefixSet.parse('192.0.2.0/24')), {
    ...STEERING,
    targets: [behind, silent],
  });
  expect(listeningInterfaces(made)).toEqual(['dmz']);
});

const SPEC = classifierSpec(policyOf(PrefixSet.parse('192.0.2.0/24')), STEERING);
const withTarget = (changes: object) => ({ ...SPEC, targets: [{ ...TARGET, ...changes }] });

it.each([
  ['', 'it is empty'],
  ['{ "version": 2', 'it is no JSON'],
  ['null', 'expected object, received null'],
  [{ ...SPEC, version: undefined }, 'it has no version'],
  [
    { ...SPEC, version: '2\u001b[2J' },
    'its version is no number, which this sidetrack does not know',
  ],
  [{ ...SPEC, version: 9 }, 'its version is 9, which this sidetrack does not know'],
  [{ ...SPEC, targets: [] }, 'targets: Too small'],
  [withTarget({ mark: undefined }), 'targets.0.mark: expected object, received undefined'],
  [withTarget({ mark: { value: -1, mask: 255 } }), 'targets.0.mark.value: Too small'],
  [withTarget({ macs: ['02-00'] }), 'targets.0.macs.0: must be a MAC'],
  [
    withTarget({ nextHop: { v4: 'fd00::2' } }),
    'targets.0.nextHop.v4: must be an address of its family',
  ],
  [{ ...SPEC, forwarding: 'teleport' }, 'forwarding: '],
  [{ ...SPEC, onfailure: 'block' }, 'Unrecognized key: "onfailure"'],
  [{ ...SPEC, sets: [['192.0.2.0/24', 7]] }, 'sets: must be lists of CIDRs'],
  [{ ...SPEC, rules: [{ name: 'a', action: 'prox' }] }, 'rules.0.action: '],
  [{ ...SPEC, version: 1 }, 'nextHop: expected object'],
  [withTarget({ number: 16 }), 'targets.0.number: Too big'],
  [withTarget({ health: 'pulse' }), 'targets.0.health: '],
  [
    withTarget({ heartbeat: { ...HEARTBEAT, siphashKey: `${KEY}00` } }),
    'targets.0.heartbeat.siphashKey: must be 32 hexadecimal digits',
  ],
  [{ ...SPEC, groups: [[]] }, 'groups.0: Too small'],
  [
    { ...SPEC, heartbeats: { port: 0, rise: 3, resetAfterSeconds: 10 } },
    'heartbeats.port: Too small',
  ],
])('says in one line what is wrong: %#', (value, problem) => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  expect(() => parseSpec(text)).toThrow(
    expect.objectContaining({
      constructor: SidetrackError,
      code: 'classifier-spec-malformed',
      message: expect.stringMatching(/^[\x20-\x7e]+$/),
    }),
  );
  expect(() => parseSpec(text)).toThrow(problem);
  expect(() => parseSpec(text)).not.toThrow(KEY);
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
