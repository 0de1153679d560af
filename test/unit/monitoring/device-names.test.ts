import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeviceNames } from '../../../monitoring/device-names.js';
import { deviceName } from '../../../monitoring/lease-files.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sidetrack-names-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const nobody = async () => '';

/** What they are called once the files have been read. */
async function named(addresses: readonly string[], resolve = nobody) {
  const names = new DeviceNames({ root, resolve });
  for (const address of addresses) names.nameOf(address);
  const last = addresses.at(-1)!;
  await vi.waitFor(() => expect(names.nameOf(last)).toBeDefined(), 20_000);
  return addresses.map((address) => names.nameOf(address));
}

describe('the files', () => {
  it.each([
    ['/etc/hosts', '# old 192.168.1.9\n127.0.0.1 localhost\n192.168.1.10\tnas.lan nas # disk\n'],
    [
      '/var/lib/misc/dnsmasq.leases',
      'duid 00:01\n1790000000 02:00:00:00:01:10 192.168.1.10 nas.lan 01:02\n1790000000 02:00:00:00:01:11 192.168.1.11 * *\n',
    ],
    ['/tmp/dhcp.leases', '1790000000 02:00:00:00:01:10 192.168.1.10 nas.lan *\n'],
    [
      '/tmp/hosts/odhcpd',
      '# br-lan 0001 2 nas 1790000000 ab 128 fd00:1::5/128\n192.168.1.10\tnas.lan\n',
    ],
    [
      '/var/lib/dhcp/dhcpd.leases',
      'lease 192.168.1.10 {\n  client-hostname "before";\n}\nlease 192.168.1.10 {\n  binding state active;\n  client-hostname "nas.lan";\n}\nlease 192.168.1.12 {\n  binding state free;\n}\n',
    ],
    [
      '/var/lib/kea/kea-leases4.csv',
      'address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n192.168.1.10,02:00:00:00:01:10,,4000,1790000000,1,0,0,nas.lan.,0,,0\n',
    ],
    [
      '/var/lib/NetworkManager/dnsmasq-wlan0.leases',
      '0 02:00:00:00:01:10 192.168.1.10 nas.lan *\n',
    ],
  ])('%s names a client', async (path, text) => {
    put(path, text);
    expect(await named(['192.168.1.11', '192.168.1.10'])).toEqual([undefined, 'nas.lan']);
  });

  it('name clients of IPv6', async () => {
    put('/var/lib/misc/dnsmasq.leases', 'duid 00:01\n1790000000 5 fd00:1::10 nas 00:01\n');
    put('/var/lib/kea/kea-leases6.csv', 'address,duid,hostname\nfd00:1::11,00:02,tv\n');
    expect(await named(['fd00:1::10', 'fd00:1::11'])).toEqual(['nas', 'tv']);
  });

  it('say less than /etc/hosts, which the owner wrote', async () => {
    put('/var/lib/misc/dnsmasq.leases', '1 02:00:00:00:01:10 192.168.1.10 i-am-the-router *\n');
    put('/etc/hosts', '192.168.1.10 nas\n');
    expect(await named(['192.168.1.10'])).toEqual(['nas']);
  });

  it('may be FIFOs, folders or without any sense', async () => {
    mkdirSync(join(root, 'var/lib/misc'), { recursive: true });
    execFileSync('mkfifo', [join(root, 'var/lib/misc/dnsmasq.leases')]);
    mkdirSync(join(root, 'var/lib/dhcp/dhcpd.leases'), { recursive: true });
    put('/var/lib/kea/kea-leases4.csv', '\u0000\nlease {\n,,,');
    put('/etc/hosts', '192.168.1.10 nas\n');
    expect(await named(['192.168.1.10'])).toEqual(['nas']);
  });
});

describe('a name', () => {
  it.each([
    ['anna\u2019s phone', 'anna\u2019s phone'],
    ['nas.lan.', 'nas.lan'],
    ['<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
    ['a\u001b[31mb\u202Ec', 'a [31mb c'],
    ['x'.repeat(300), 'x'.repeat(63)],
    ['192.168.1.1', undefined],
    ['*', undefined],
    ['localhost', undefined],
    ['\u0000', undefined],
  ])('%j is shown as %j', (text, name) => {
    expect(deviceName(text)).toBe(name);
  });
});

describe('the resolver', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Each answer takes so long. */
  const slowly = (asked: string[], ms: number) => async (address: string) => {
    asked.push(address);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return `host-${address}.lan`;
  };

  it('is asked about local addresses alone', async () => {
    const asked: string[] = [];
    const names = new DeviceNames({ root, resolve: slowly(asked, 1) });
    for (const address of [
      '8.8.8.8',
      '2001:db8::1',
      '127.0.0.1',
      'other',
      'fe80::1',
      'fd00::5',
      '10.1.2.3',
    ])
      names.nameOf(address);
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toEqual(['fd00::5', '10.1.2.3']);
    expect(names.nameOf('10.1.2.3')).toBe('host-10.1.2.3.lan');
  });

  it('is asked for one at a time, three a second at most, and nobody waits', async () => {
    const asked: string[] = [];
    const names = new DeviceNames({ root, resolve: slowly(asked, 10) });
    const all = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    for (const address of all) expect(names.nameOf(address)).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.length).toBeLessThanOrEqual(30);
  });

  it('that hangs holds up that question alone, and is asked nothing else', async () => {
    const asked: string[] = [];
    const names = new DeviceNames({ root, resolve: slowly(asked, 3_600_000) });
    for (let i = 0; i < 60; i++) {
      names.nameOf('10.0.0.1');
      names.nameOf('10.0.0.2');
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(asked).toEqual(['10.0.0.1']);
    expect(names.isAsking).toBe(true);
  });

  it('is not asked again for ten minutes, also where there is no name', async () => {
    const asked: string[] = [];
    const resolve = async (address: string) => {
      asked.push(address);
      if (address === '10.0.0.1') throw new Error('ENOTFOUND');
      return address;
    };
    const names = new DeviceNames({ root, resolve });
    for (let i = 0; i < 580; i++) {
      expect(names.nameOf('10.0.0.1')).toBeUndefined();
      expect(names.nameOf('10.0.0.2')).toBeUndefined();
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(asked).toEqual(['10.0.0.1', '10.0.0.2']);
    await vi.advanceTimersByTimeAsync(60_000);
    names.nameOf('10.0.0.1');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveLength(3);
  });

  it('is not asked any more at the end', async () => {
    const asked: string[] = [];
    const names = new DeviceNames({ root, resolve: slowly(asked, 1) });
    names.nameOf('10.0.0.1');
    names.nameOf('10.0.0.2');
    names.end();
    await vi.advanceTimersByTimeAsync(5000);
    names.nameOf('10.0.0.3');
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toEqual(['10.0.0.1']);
  });
});
