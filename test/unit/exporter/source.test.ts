/** The files that an exporter compares with, while others write them. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { Source } from '../../../control/exporter/source.js';

const folder = mkdtempSync(join(tmpdir(), 'sidetrack-source-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CONFIG = `router: { host: local, interfaces: [br-lan] }
servers:
  - { name: vps, host: local, interface: eth0, address: 192.168.1.2 }
sets: { list: { file: list.txt } }
rules:
  - { name: listed, to: [list], action: proxy }
`;

it('sees what is written while it reads, whenever that is', async () => {
  const list = join(folder, 'list.txt');
  const path = join(folder, 'sidetrack.yaml');
  writeFileSync(list, '10.0.0.0\n');
  writeFileSync(path, CONFIG);
  const source = await Source.open(path, () => undefined);
  let lines = 1;
  // Every other address, so that each is an interval.
  const write = () => appendFileSync(list, `10.0.${lines >> 7}.${(2 * lines++) & 255}\n`);
  for (let turns = 0; turns < 60; turns++) {
    write();
    const reading = source.refresh();
    for (let i = 0; i < turns; i++) await turn();
    write();
    await reading;
    await source.refresh();
    expect([turns, source.current.entries.get('list')?.[4]]).toEqual([turns, lines]);
  }
});
