import { describe, expect, it } from 'vitest';
import { errorsOf, load, MINIMAL, warningsOf } from './temporary.js';

const withKeys = (...keys: string[]): string =>
  MINIMAL.replace('router:\n', `router:\n${keys.map((key) => `  ${key}\n`).join('')}`);

describe('router.way_out, the old name of forwarding', () => {
  it('is read, with a warning that says what to write', async () => {
    const config = await load(withKeys('classifier: ebpf', 'way_out: xdp'));
    expect(config.router.forwarding).toBe('xdp');
    expect(warningsOf(config)).toEqual([
      'sidetrack.yaml:3:3: "way_out" is deprecated; its name is "forwarding" now; write forwarding: xdp',
    ]);
  });

  it('is where later findings about the value point to', async () => {
    const config = await load(withKeys('classifier: ebpf', 'way_out: redirect'));
    expect(config.positionOf(['router', 'forwarding'])).toMatchObject({ line: 3, column: 12 });
    const named = await load(withKeys('classifier: ebpf', 'forwarding: redirect'));
    expect(named.positionOf(['router', 'forwarding'])).toMatchObject({ line: 3, column: 15 });
    expect(named.warnings).toEqual([]);
  });

  it('is an error beside the new one, also where both say the same', async () => {
    expect(await errorsOf(withKeys('way_out: mark', 'forwarding: mark'))).toEqual([
      'sidetrack.yaml:2:3: "way_out" is the old name of "forwarding", and both are here; keep forwarding, remove way_out',
    ]);
  });

  it('is checked like the new one, and never suggested', async () => {
    expect(await errorsOf(withKeys('way_out: xpd'))).toEqual([
      'sidetrack.yaml:2:12: router.way_out must be "mark", "redirect" or "xdp", not the text "xpd"; did you mean "xdp"?',
    ]);
    const [unknown] = await errorsOf(withKeys('wayout: xdp'));
    expect(unknown).toContain('unknown key "wayout"; known here: ');
    expect(unknown).not.toContain('way_out');
  });
});
