import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../control/command/command.js';
import { removeFiles, writeFileWithMode } from '../../../control/command/command.js';
import type { HostState, ObservedHost } from '../../../control/plan/state.js';
import type { Step } from '../../../control/plan/step.js';
import { isUnsaved, stateUpdate } from '../../../control/resources/saved-parts.js';
import { hostChanges, removalSteps } from '../../../control/resources/steps.js';
import { ModelHost } from './model-host.js';
import { bareHost, desiredState, disturbances } from './random-state.js';

/** Applies and writes down, as `apply` does. */
function apply(host: ModelHost, state: HostState): void {
  const found = host.observe();
  const { steps } = hostChanges(state, found);
  if (steps.length === 0 && !isUnsaved(state, found)) return;
  for (const step of steps) host.run(step);
  const { added, state: write, stale } = stateUpdate(state, host.observe());
  for (const { path, content } of added) host.run(writeFileWithMode(path, content, 0o600));
  host.run(write);
  if (stale.length > 0) host.run(removeFiles(stale));
}

/** Others know what is there; what is not, they cannot take away. */
function disturb(host: ModelHost, commands: readonly Command[]): void {
  for (const command of commands) {
    try {
      host.run(command);
    } catch {}
  }
}

const stepsFor = (host: ModelHost, state: HostState) => hostChanges(state, host.observe()).steps;

/** A host that has been set up, and then disturbed. */
const usedHost = fc
  .tuple(bareHost, fc.option(desiredState, { nil: undefined }), disturbances)
  .map(([bare, state, commands]) => {
    const make = () => {
      const host = new ModelHost(bare);
      if (state) apply(host, state);
      disturb(host, commands);
      return host;
    };
    return { bare, make, state };
  });

describe('whatever is found and whatever is desired', () => {
  it('nothing is left to do when the steps have run', () => {
    fc.assert(
      fc.property(usedHost, desiredState, ({ make }, state) => {
        const host = make();
        apply(host, state);
        expect(stepsFor(host, state)).toEqual([]);
        expect(isUnsaved(state, host.observe())).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it('undoing any number of the steps brings back what was found', () => {
    fc.assert(
      fc.property(usedHost, desiredState, fc.nat(), ({ make }, state, count) => {
        const host = make();
        const before = host.snapshot();
        const steps = stepsFor(host, state);
        const done = steps.slice(0, count % (steps.length + 1));
        for (const step of done) host.run(step);
        for (const { undo } of done.toReversed()) for (const command of undo) host.run(command);
        expect(host.snapshot()).toEqual(before);
      }),
      { numRuns: 100 },
    );
  });

  it('down leaves what was there before', () => {
    fc.assert(
      fc.property(bareHost, desiredState, desiredState, (bare, first, second) => {
        const host = new ModelHost(bare);
        const before = host.snapshot();
        apply(host, first);
        apply(host, second);
        for (const step of removalSteps('router', host.observe())) host.run(step);
        expect(host.snapshot()).toEqual(before);
        expect(removalSteps('router', host.observe())).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});

describe('each half-way state is harmless:', () => {
  const steers = ({ listing, classifier }: ObservedHost) =>
    classifier !== undefined || listing !== undefined;

  /** Whether all routes and rules of the state are there. */
  const routes = (state: HostState, observed: ObservedHost) => {
    const missing = hostChanges(state, observed).steps.filter(({ title }) => /^IPv/.test(title));
    return missing.length === 0;
  };

  function everyStateOf(host: ModelHost, steps: readonly Step[], check: () => void): void {
    for (const step of steps) {
      host.run(step);
      check();
    }
  }

  it('nothing steers without its rules and routes, on the way up and on the way down', () => {
    fc.assert(
      fc.property(bareHost, desiredState, (bare, state) => {
        const host = new ModelHost(bare);
        const check = () => {
          const observed = host.observe();
          if (steers(observed)) expect(routes(state, observed)).toBe(true);
        };
        everyStateOf(host, stepsFor(host, state), check);
        everyStateOf(host, removalSteps('router', host.observe()), check);
      }),
      { numRuns: 100 },
    );
  });
});
