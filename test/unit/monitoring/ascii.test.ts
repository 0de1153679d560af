import { expect, it } from 'vitest';
import { asciiState } from '../../../monitoring/ascii.js';
import { severalAt, stateAt } from '../../netns/browser/states.js';

const current = { upload: 2_500_000, download: 37_500_000, opened: 9, errors: 0 };

it('shows all of it within 80 columns', () => {
  const text = asciiState(stateAt(4000), current);
  expect(text).toMatchSnapshot();
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

it('lists servers, and the rules that name some', () => {
  const text = asciiState(severalAt(4000, true), current);
  expect(
    text.split('\n\n').filter((part) => /^(?:HEALTH|PATH|SERVERS|RULES)/.test(part)),
  ).toMatchSnapshot();
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

it('says what is wrong, and what to type, in one piece', () => {
  const next = `sidetrack plan --only ${'router'.repeat(20)}`;
  const health = [
    {
      level: 'critical' as const,
      host: 'router',
      what: `it ${'does not answer '.repeat(10)}`,
      next,
    },
  ];
  const text = asciiState({ ...stateAt(10), health });
  expect(text).toContain(`    $ ${next}\n`);
  expect(text).toMatch(/^ {2}CRITICAL {2}router: it does not answer/m);
});

it('has room for less: an exporter without a relay, a relay alone', () => {
  const { relay: _, clients: __, ...exporter } = stateAt(100);
  const text = asciiState(exporter);
  expect(text).toContain('RULES');
  expect(text).not.toContain('TRAFFIC');
  const { hosts: ___, router: ____, ...alone } = stateAt(100);
  expect(asciiState(alone)).not.toContain('RULES');
});

it('writes ASCII alone, whatever others are called', () => {
  const state = stateAt(100);
  const [first] = state.clients!;
  const clients = [{ ...first!, name: 'Zoë’s\u001b[2J \u202Eτv' }];
  const text = asciiState({ ...state, clients });
  expect(text).toMatch(/^[\n -~]*$/);
  expect(text).toContain("Zoe's [2J ?v 192.168.1.10");
});
