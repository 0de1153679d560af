import { expect, it } from 'vitest';
import { executeSteps } from '../../../control/apply/execute.js';
import type { Host } from '../../../control/hosts/host.js';
import type { Step } from '../../../control/plan/steps.js';

/** Runs nothing; what starts with `bad` fails. */
function recordingHost(ran: string[]): Host {
  return {
    address: 'local',
    stateDir: '/run/sidetrack',
    ownsEtc: true,
    bpfDirectory: '/sys/fs/bpf/sidetrack',
    sidetrack: [],
    wrap: (argv) => [...argv],
    run: async ([name]) => {
      ran.push(name!);
      return { status: name!.startsWith('bad') ? 1 : 0, stdout: '', stderr: '' };
    },
  };
}

const step = (name: string, undo: string, remembers?: true): Step => ({
  host: 'router',
  title: name,
  argv: [name],
  undo: [{ argv: [undo] }],
  ...(remembers && { remembers }),
});

async function failAfter(steps: Step[]): Promise<string[]> {
  const ran: string[] = [];
  const hosts = new Map([['router', recordingHost(ran)]]);
  await expect(executeSteps(hosts, [...steps, step('bad', 'undo bad')])).rejects.toThrow();
  return ran;
}

it('forgets what it remembered when everything has been put back', async () => {
  expect(await failAfter([step('remember', 'forget', true), step('set', 'unset')])).toEqual([
    'remember',
    'set',
    'bad',
    'undo bad',
    'unset',
    'forget',
  ]);
});

it('keeps what it remembered for down when something has not', async () => {
  expect(await failAfter([step('remember', 'forget', true), step('set', 'bad unset')])).toEqual([
    'remember',
    'set',
    'bad',
    'undo bad',
    'bad unset',
  ]);
});
