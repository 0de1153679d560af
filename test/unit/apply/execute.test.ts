import { expect, it } from 'vitest';
import { executeAll, executeSteps } from '../../../control/apply/execute.js';
import type { Places } from '../../../control/apply/place.js';
import type { Host, Session } from '../../../control/hosts/host.js';
import type { Step } from '../../../control/plan/step.js';

/** Runs nothing; what starts with `bad` fails. */
function recordingHost(ran: string[]): Host {
  return {
    address: 'local',
    stateDir: '/run/sidetrack',
    ownsEtc: true,
    bpfDirectory: '/sys/fs/bpf/sidetrack',
    sidetrack: [],
    remote: false,
    roundTrips: 0,
    session: () => Promise.reject(new Error('nothing is locked')),
    fresh: () => {
      throw new Error('there is one way');
    },
    close: async () => undefined,
    batch: () => Promise.reject(new Error('nothing is asked')),
    wrap: (argv) => [...argv],
    shell: () => ['sh'],
    run: async ({ argv: [name] }) => {
      ran.push(name!);
      return { status: name!.startsWith('bad') ? 1 : 0, stdout: '', stderr: '' };
    },
  };
}

/** Whose commands the host runs one by one. */
function placesWith(host: Host): Places {
  const batch: Session['batch'] = async (commands, { onResult, untilFailure } = {}) => {
    const results = [];
    for (const command of commands) {
      const result = await host.run(command);
      results.push(result);
      onResult?.(results.length - 1, result);
      if (untilFailure && result.status !== 0) break;
    }
    return results;
  };
  const session: Session = { answers: [], batch, end: async () => undefined };
  return new Map([['router', { host: { ...host, batch }, session }]]);
}

const step = (name: string, undo: string, remembers?: true): Step => ({
  host: 'router',
  title: name,
  argv: [name],
  undo: [{ argv: [undo] }],
  ...(remembers && { remembers }),
});

/** The last step succeeds, and what comes after it does not. */
async function failBehind(steps: Step[], how: 'interrupted' | 'unsaved'): Promise<string[]> {
  const ran: string[] = [];
  const controller = new AbortController();
  const host = recordingHost(ran);
  const run: Host['run'] = (command) => {
    if (how === 'interrupted' && command.argv[0] === steps.at(-1)!.title) controller.abort();
    return host.run(command);
  };
  const finish = () => (how === 'unsaved' ? Promise.reject(new Error('full')) : Promise.resolve());
  await expect(
    executeSteps(placesWith({ ...host, run }), steps, { signal: controller.signal }, finish),
  ).rejects.toThrow('not everything could be put back: router: set');
  return ran;
}

async function failAfter(steps: Step[]): Promise<string[]> {
  const ran: string[] = [];
  const hosts = placesWith(recordingHost(ran));
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

it.each(['interrupted', 'unsaved'] as const)(
  'also when the apply was %s behind its last step',
  async (how) => {
    const steps = [step('remember', 'forget', true), step('set', 'bad unset')];
    expect(await failBehind(steps, how)).toEqual(['remember', 'set', 'bad unset']);
  },
);

it('goes on putting back when one undo does not even run', async () => {
  const ran: string[] = [];
  const host = recordingHost(ran);
  const run: Host['run'] = async (command) => {
    if (command.argv[0] === 'hang') throw new Error('did not finish');
    return host.run(command);
  };
  const steps = [step('one', 'undo one'), step('two', 'hang'), step('bad', 'undo bad')];
  await expect(executeSteps(placesWith({ ...host, run }), steps)).rejects.toThrow(
    'not everything could be put back: router: two',
  );
  expect(ran).toEqual(['one', 'two', 'bad', 'undo bad', 'undo one']);
});

it('goes on behind an optional step that fails, and never undoes what was not done', async () => {
  const why = { setting: ['router', 'table', 'name'], hint: 'the number does' };
  const optional = { ...step('bad name', 'undo name'), optional: why };
  const skipped: string[] = [];
  const onSkipped = ({ title }: Step) => void skipped.push(title);
  const ran: string[] = [];
  const hosts = placesWith(recordingHost(ran));
  await executeSteps(hosts, [step('one', 'undo one'), optional, step('two', 'undo two')], {
    onSkipped,
  });
  expect(ran).toEqual(['one', 'bad name', 'two']);
  await executeAll(hosts, [optional], { onSkipped });
  expect(skipped).toEqual(['bad name', 'bad name']);
  expect(await failAfter([optional])).toEqual(['bad name', 'bad', 'undo bad']);
});
