import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepFiles } from '../../../control/keep/files.js';
import {
  BOOT_PATHS,
  bootFiles,
  KEEP_UNIT,
  RESTORE_UNIT,
} from '../../../control/plan/boot-files.js';
import type { DesiredPersist, ObservedPersist } from '../../../control/plan/persist.js';
import { checkPersist } from '../../../control/plan/persist-check.js';
import type { ObservedHost } from '../../../control/plan/state.js';
import { persist } from '../../../control/resources/persist.js';
import { isOurs, persistOf } from '../../../control/resources/persist-query.js';
import { hostChanges, removalSteps } from '../../../control/resources/steps.js';
import { load, MINIMAL } from '../config/temporary.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';
import { withClassifier } from './examples.js';

const SYSCTLS = [
  { key: 'net/ipv4/conf/br-lan/send_redirects', value: '0' },
  { key: 'net/ipv4/conf/lan.7/send_redirects', value: '0' },
];
const FRESH: ObservedPersist = persistOf('init systemd\nnetworkd\n');
const SECRET = 'key of a heartbeat';
const ITEMS = { path: '/etc/sidetrack/keep/items', content: SECRET, mode: 0o600 };

const wanted = (found = FRESH): DesiredPersist => ({
  init: found.init,
  entries: [ITEMS, ...bootFiles(found, SYSCTLS)],
  includes: found.firewall !== undefined,
});

/** What `LOOK` says once all of it is in its place; of this file the digest is known. */
const DIGEST = '0'.repeat(64);

function keptHost(extra = ''): ObservedHost {
  const said = wanted().entries.map((entry) =>
    'link' in entry
      ? `link ${entry.path} ${entry.link}`
      : `file ${entry.path} ${entry.mode === 0o600 ? 'rw-------' : 'rw-r--r--'} 9 ${DIGEST} yes`,
  );
  const found = persistOf(`init systemd\nactive\nnetworkd\n${said.join('\n')}\n${extra}`);
  const listed = ['/etc/systemd/networkd.conf.d'];
  return { ...host(found), directories: { missing: [], listed, isListed: true } };
}

const host = (found: ObservedPersist): ObservedHost =>
  bareRouter({
    ownsEtc: true,
    persist: found,
    directories: { missing: ['/etc/systemd/networkd.conf.d'], listed: [], isListed: false },
  });

const titles = (observed: ObservedHost, desired?: DesiredPersist) =>
  hostChanges(routerWish({ ...(desired && { persist: desired }) }), observed)
    .steps.filter(({ afterConfirm }) => afterConfirm)
    .map(({ title }) => title);

describe('a host that is to be brought back at boot', () => {
  it('has everything staged before any of it takes its place, behind all other steps', () => {
    const { steps } = hostChanges(routerWish({ persist: wanted() }), host(FRESH));
    const first = steps.findIndex(({ afterConfirm }) => afterConfirm);
    expect(steps.slice(first).every(({ afterConfirm }) => afterConfirm)).toBe(true);
    const [begin, ...rest] = titles(host(FRESH), wanted());
    expect(begin).toContain('remember which directories were not there');
    expect(rest.slice(0, -2).every((title) => title.includes('write /'))).toBe(true);
    expect(rest.at(-2)).toContain('put it in place, and start the watcher');
  });

  it('has its secrets shown by nobody', () => {
    const { steps, differences } = hostChanges(routerWish({ persist: wanted() }), host(FRESH));
    expect(JSON.stringify(differences().flatMap((one) => one.differences))).not.toContain(SECRET);
    const staged = steps.filter(({ stdin }) => stdin === SECRET);
    expect(staged.map(({ isSecret }) => isSecret)).toEqual([true]);
  });

  it('gets what differs, and what is stale goes', () => {
    const [items, ...others] = wanted().entries;
    const stale = '/etc/sidetrack/keep/old';
    const found = keptHost(`file ${stale} rw------- 3 ${DIGEST} no`);
    const said = titles(found, { ...wanted(), entries: [items!, ...others] });
    expect(said).toContain('for the next boot: write /etc/sidetrack/keep/items');
    const changes = persist.diff(wanted(), found);
    expect(changes.find(({ kind }) => kind === 'commit')).toMatchObject({ stale: [stale] });
  });

  it('is left alone by an apply that does not want it, and put back by down', () => {
    expect(titles(host(FRESH))).toEqual([]);
    expect(titles(keptHost())).toEqual(['stop the watcher', 'remove what brings it back at boot']);
    const down = removalSteps('router', keptHost()).map(({ title }) => title);
    expect(down.slice(0, 2)).toEqual(['stop the watcher', 'remove what brings it back at boot']);
    expect(down.at(-1)).toBe('remove directories that were not there before');
  });

  it('is tidied up where a run ended between two writes', () => {
    const half = persistOf('init systemd\nwaiting\n');
    expect(titles(host(half))).toEqual(['stop the watcher', 'remove what brings it back at boot']);
  });

  it('is refused where somebody else has a file of that name', async () => {
    const unit = `/etc/systemd/system/${KEEP_UNIT}`;
    const found = persistOf(`init systemd\nfile ${unit} rw-r--r-- 9 ${DIGEST} no\n| [Unit]\n`);
    const config = await load(MINIMAL);
    const wish = routerWish({ persist: wanted() });
    const { errors } = checkPersist(config, wish, host(found), true, isOurs);
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining(`${unit} is not by sidetrack`),
    ]);
    expect(titles(host(found))).toEqual([]);
    // A masked unit is a link to nothing.
    const masked = persistOf(`init systemd\nlink ${unit} /dev/null\n`);
    expect(checkPersist(config, wish, host(masked), true, isOurs).errors).toHaveLength(1);
  });

  it('has a copy of what attaches its eBPF classifier, whatever becomes of /run', () => {
    const loader = { path: '/run/sidetrack/sidetrack-bpf-0123456789ab', bundle: () => '' };
    const wish = withClassifier(routerWish());
    const classifier = { ...wish.classifier!, loader };
    const observed = bareRouter({ sidetrack: [loader.path, '--program', 'abc'] });
    const entries = keepFiles({ desired: { ...wish, classifier }, observed });
    const copies = entries.flatMap((one) => ('copyOf' in one ? [one] : []));
    expect(copies).toEqual([
      {
        path: `/etc/sidetrack/keep/attachment-${classifier.digest}.json`,
        copyOf: `${observed.stateDir}/attachment-${classifier.digest}.json`,
        mode: 0o600,
      },
      {
        path: '/etc/sidetrack/keep/loader',
        copyOf: loader.path,
        digest: '0123456789ab',
        mode: 0o700,
      },
    ]);
    const kept = copies.map(({ path, mode }, index) => {
      const digest = `0123456789ab${index}`.padEnd(64, '0');
      return `file ${path} ${mode === 0o700 ? 'rwx------' : 'rw-------'} 9 ${digest} no`;
    });
    const staged = (lines: readonly string[]) =>
      persist
        .diff(
          { init: 'systemd', entries: copies, includes: false },
          host(persistOf(`init systemd\nactive\n${lines.join('\n')}\n`)),
        )
        .flatMap((change) => (change.kind === 'stage' ? [change.entry.path] : []));
    expect(staged(kept)).toEqual([]);
    expect(staged(kept.map((line) => line.replace('0123456789ab', 'fedcba987654')))).toEqual([
      '/etc/sidetrack/keep/loader',
    ]);
  });

  it('is told what to add where nothing of ours starts it', async () => {
    const config = await load(MINIMAL);
    const found = persistOf('init other\n');
    const wish = routerWish({ persist: wanted(found) });
    const { warnings } = checkPersist(config, wish, host(found), true, isOurs);
    expect(warnings.map(({ hint }) => hint)).toEqual([
      expect.stringContaining('/etc/rc.local: sh /etc/sidetrack/keep/program watch'),
    ]);
  });
});

describe('what the host says', () => {
  it('is read line by line, and nothing else is', () => {
    const said = `init procd\nfirewall included\nwaiting\nsealed\nfile /etc/x/../y rw-r--r-- 1 x yes\nlink /etc/rc.d/S18sidetrack-keep ../init.d/sidetrack-keep\n`;
    expect(persistOf(said)).toMatchObject({
      init: 'procd',
      firewall: 'included',
      ...{ hasLeftovers: true, isSealed: true, isKept: true },
      found: {
        '/etc/rc.d/S18sidetrack-keep': { kind: 'link', target: '../init.d/sidetrack-keep' },
      },
    });
    expect(persistOf('').init).toBe('other');
  });
});

describe('files around what is kept', () => {
  it('are known by name before they are there', () => {
    for (const init of ['systemd', 'procd', 'openrc', 'other'] as const)
      for (const { path } of bootFiles({ init, hasNetworkd: true }, SYSCTLS))
        expect(BOOT_PATHS).toContain(path);
  });

  it('say of settings what each system understands', () => {
    const text = (init: 'systemd' | 'procd') =>
      bootFiles({ init, hasNetworkd: false }, SYSCTLS).flatMap((one) =>
        'content' in one && one.path.includes('sysctl') ? one.content.split('\n').slice(1) : [],
      );
    expect(text('systemd').slice(0, 2)).toEqual([
      '-net/ipv4/conf/br-lan/send_redirects = 0',
      '-net/ipv4/conf/lan.7/send_redirects = 0',
    ]);
    expect(text('procd').slice(0, 2)).toEqual([
      'net.ipv4.conf.br-lan.send_redirects=0',
      'net/ipv4/conf/lan.7/send_redirects=0',
    ]);
  });

  const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;

  it.skipIf(!hasAnalyze)('are units that systemd understands', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-units-'));
    try {
      const units = bootFiles({ init: 'systemd', hasNetworkd: false }, []).flatMap((one) =>
        'content' in one ? [one] : [],
      );
      const names = units.map(({ path }) => path.split('/').at(-1)!);
      expect(names).toEqual([RESTORE_UNIT, KEEP_UNIT]);
      for (const [i, { content }] of units.entries())
        writeFileSync(join(directory, names[i]!), content);
      const paths = names.map((name) => join(directory, name));
      const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], {
        encoding: 'utf8',
        env: { ...process.env, LC_ALL: 'C' },
      });
      const about = stderr.split('\n').filter((line) => line.includes('sidetrack'));
      expect(about).toEqual([]);
      expect(status).toBe(0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
