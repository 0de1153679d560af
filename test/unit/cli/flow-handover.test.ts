/** What nft says, or fails to say, when the eBPF classifier takes over live flows. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nftablesFlows } from '../../../control/cli/flow-handover.js';
import { connect } from '../../../control/hosts/connect.js';
import { addFlowElements } from '../../../control/nft/flow-elements.js';

const PATH = process.env.PATH ?? '';
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-nft-'));
  process.env.PATH = `${directory}${delimiter}${PATH}`;
});
afterEach(() => {
  process.env.PATH = PATH;
  rmSync(directory, { recursive: true, force: true });
});

/** An nft that does what a script says. */
function nft(script: string): void {
  const path = join(directory, 'nft');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

const set = (name: string, elem: unknown[]) =>
  JSON.stringify({ nftables: [{ set: { name, family: 'inet', table: 'sidetrack', elem } }] });
const element = (timeout: number, expires: number) => ({
  elem: { val: { concat: ['192.168.1.10', 40000, '198.51.100.7', 443] }, timeout, expires },
});
const ABSENT = `echo "Error: No such file or directory" >&2; echo "list set inet sidetrack $6" >&2; exit 1`;

it('takes over what is listed; sets that are not there hold nothing', async () => {
  nft(`case $6 in
    flows4) echo '${set('flows4', [element(7440, 7400)])}' ;;
    closing4) echo '${set('closing4', [element(240, 200)])}' ;;
    *) ${ABSENT} ;;
  esac`);
  const flows = await nftablesFlows(await connect({ kind: 'local' }));
  expect(flows.map(({ state, silent }) => [state, silent])).toEqual([
    ['established', 40],
    ['opening', 40],
  ]);
});

it('takes over the flows of every target', async () => {
  nft(`case $6 in
    flows4) echo '${set('flows4', [element(7440, 7400)])}' ;;
    closing4_1) echo '${set('closing4_1', [element(240, 200)])}' ;;
    *) ${ABSENT} ;;
  esac`);
  const flows = await nftablesFlows(await connect({ kind: 'local' }));
  expect(flows.map(({ target }) => target)).toEqual([0, 1]);
  const sets = addFlowElements(flows).nftables.map(({ add }) => add!.element);
  expect(sets).toEqual([
    expect.objectContaining({ name: 'flows4' }),
    expect.objectContaining({ name: 'closing4_1' }),
  ]);
});

it('takes over nothing where there is no table', async () => {
  nft(ABSENT);
  expect(await nftablesFlows(await connect({ kind: 'local' }))).toEqual([]);
});

describe('never takes a failure for "no flows":', () => {
  it.each([
    [
      'no privilege',
      'echo "Operation not permitted (you must be root)" >&2; exit 1',
      'Operation not permitted',
    ],
    [
      'a library that is missing',
      'echo "nft: error while loading shared libraries: libnftables.so.1: cannot open shared object file: No such file or directory" >&2; exit 127',
      'libnftables.so.1',
    ],
    [
      'an error of another kind',
      'echo "Error: syntax error, unexpected newline" >&2; exit 1',
      'syntax error',
    ],
    ['a signal', 'kill -9 $$', 'SIGKILL'],
    ['a silent failure', 'exit 3', 'it ended with 3'],
    ['half a listing', 'echo \'{"nftables": [\'', 'what it printed is no listing'],
    [
      'elements of another shape',
      `echo '${set('flows4', [{ elem: { val: 'x' } }])}'`,
      'no listing',
    ],
    ['a time that is none', `echo '${set('flows4', [element(Number.NaN, 1)])}'`, 'no listing'],
    ['more than fits', 'head -c 5000 /dev/zero', 'printed more than 4096 bytes'],
    ['a time-out', 'exec sleep 60', 'did not finish within 0.5 s'],
  ])('%s', async (_, script, reason) => {
    nft(script);
    const host = await connect({ kind: 'local' });
    const timeoutMs = script.includes('sleep') ? 500 : 60_000;
    await expect(nftablesFlows(host, { longest: 4096, timeoutMs })).rejects.toThrow(
      expect.objectContaining({ code: 'flows-unknown', message: expect.stringContaining(reason) }),
    );
  });

  it('no nft at all', async () => {
    const host = await connect({ kind: 'local' });
    process.env.PATH = directory;
    await expect(nftablesFlows(host)).rejects.toThrow('nft: not found');
  });
});
