import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { hostScripts } from '../../../control/apply/scripts.js';
import { netnsTransport } from '../../../control/hosts/process-transport.js';
import { hostChanges } from '../../../control/resources/steps.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';

const desired = routerWish();
const observed = bareRouter();
const transport = netnsTransport(observed.address, 'router');
const host = { ...transport, ...observed };
const plan = { name: 'router', observed, desired, ...hostChanges(desired, observed) };
const scripts = hostScripts(host, plan, '1.0.0');

it.each(['up', 'down'] as const)('%s is a script that a person can read and run', async (verb) => {
  await expect(scripts[verb]).toMatchFileSnapshot(`./golden/router-${verb}.sh`);
});

it.each(['up', 'down'] as const)('%s is understood by dash', (verb) => {
  execFileSync('sh', ['-n'], { input: scripts[verb] });
});
