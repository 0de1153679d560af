/** What is said of a change whose host does not answer any more. */
import { expect, it } from 'vitest';
import { silentText } from '../../../control/apply/change.js';

it('promises a revert of what is not confirmed, and none of what is', () => {
  expect(silentText('router', 90, false)).toBe(
    'router does not answer: it puts everything back by itself within 90 s of its last step',
  );
  const kept = silentText('server1', 90, true);
  expect(kept).not.toContain('by itself');
  expect(kept).toContain('it keeps the change until `sidetrack apply` or `sidetrack down`');
});
