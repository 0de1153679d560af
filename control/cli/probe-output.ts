/** What probes have found before a change, for people. */
import pc from 'picocolors';
import type { ProbeReport, ProbeState } from '../apply/probes/trial.js';
import { say } from './output.js';

const WHAT: Readonly<Record<ProbeState, string>> = {
  works: 'worked before the change, so it is demanded',
  fails: 'did not work before the change, so it is not demanded',
  unmeasurable: 'cannot be tried there',
};

/** One line for each. */
export function sayProbes(reports: readonly ProbeReport[]): void {
  for (const { host, text, before } of reports)
    say(`  ${pc.dim(`${host}:`)} probe "${text}": ${WHAT[before]}`);
}
