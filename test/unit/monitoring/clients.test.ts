import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { ClientLabels, registerClients } from '../../../monitoring/clients.js';
import type { ClientStats } from '../../../proxy/clients.js';

const client = (address: string, values: Partial<ClientStats> = {}): ClientStats => ({
  address,
  active: 0,
  connections: 1,
  uploadBytes: 0,
  downloadBytes: 0,
  lastSeen: new Date(0),
  ...values,
});

describe('labels by client', () => {
  it('go to the busiest, the rest is other', () => {
    const shown = new ClientLabels(2).show([
      client('a', { uploadBytes: 1 }),
      client('b', { uploadBytes: 5, downloadBytes: 5 }),
      client('c', { uploadBytes: 6 }),
      client('other', { connections: 9, downloadBytes: 100 }),
    ]);
    expect(shown).toEqual([
      { client: 'b', connections: 1, uploadBytes: 5, downloadBytes: 5 },
      { client: 'c', connections: 1, uploadBytes: 6, downloadBytes: 0 },
      { client: 'other', connections: 10, uploadBytes: 1, downloadBytes: 100 },
    ]);
  });

  it('are kept while there are connections, and begin at what other has not shown', () => {
    const labels = new ClientLabels(1);
    labels.show([client('a', { active: 1, uploadBytes: 3 }), client('b', { uploadBytes: 2 })]);
    const busy = client('b', { active: 1, uploadBytes: 50 });
    expect(labels.show([client('a', { active: 1, uploadBytes: 4 }), busy])).toMatchObject([
      { client: 'a', uploadBytes: 4 },
      { client: 'other', uploadBytes: 50 },
    ]);
    const more = client('b', { active: 1, uploadBytes: 57 });
    expect(labels.show([client('a', { uploadBytes: 4 }), more])).toMatchObject([
      { client: 'b', uploadBytes: 7 },
      { client: 'other', uploadBytes: 54 },
    ]);
  });

  it('are gone for a scrape when the engine had forgotten the client', () => {
    const labels = new ClientLabels(2);
    labels.show([client('a', { connections: 3, uploadBytes: 30 })]);
    const forgotten = client('other', { connections: 3, uploadBytes: 30 });
    expect(labels.show([client('a', { uploadBytes: 2 }), forgotten])).toEqual([
      { client: 'other', connections: 4, uploadBytes: 32, downloadBytes: 0 },
    ]);
    expect(labels.show([client('a', { uploadBytes: 7 }), forgotten])).toMatchObject([
      { client: 'a', uploadBytes: 5 },
      { client: 'other', uploadBytes: 32 },
    ]);
  });

  it('never go back, add up and stay few, whatever comes and goes', () => {
    const steps = fc.array(
      fc.record({ who: fc.nat(7), bytes: fc.nat(100), open: fc.boolean(), forget: fc.boolean() }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), steps, (most, all) => {
        const labels = new ClientLabels(most);
        const table = new Map<string, ClientStats>([['other', client('other')]]);
        const other = table.get('other')!;
        let before = new Map<string, number>();
        let total = 0;
        for (const { who, bytes, open, forget } of all) {
          const address = `c${who}`;
          const one = table.get(address) ?? client(address);
          table.set(address, one);
          one.uploadBytes += bytes;
          one.connections++;
          one.active = Number(open);
          total += bytes;
          if (forget) {
            table.delete(address);
            other.uploadBytes += one.uploadBytes;
            other.connections += one.connections;
          }
          const shown = labels.show([...table.values()].map((each) => ({ ...each })));
          expect(shown.length).toBeLessThanOrEqual(most + 1);
          expect(shown.reduce((sum, { uploadBytes }) => sum + uploadBytes, 0)).toBe(total);
          for (const { client: name, uploadBytes } of shown)
            expect(uploadBytes).toBeGreaterThanOrEqual(before.get(name) ?? 0);
          before = new Map(shown.map(({ client: name, uploadBytes }) => [name, uploadBytes]));
        }
      }),
    );
  });

  it('are in the exposition when asked for, and else there is no metric by client', async () => {
    const clients = () => [client('192.168.1.7', { connections: 4, uploadBytes: 5 })];
    const registry = new Registry();
    registerClients(registry, clients, 0);
    expect(await registry.metrics()).not.toContain('client');
    registerClients(registry, clients, 1);
    const text = await registry.metrics();
    expect(text).toContain('sidetrack_relay_client_connections_total{client="192.168.1.7"} 4\n');
    expect(text).toContain(
      'sidetrack_relay_client_bytes_total{client="192.168.1.7",direction="upload"} 5\n',
    );
    expect(text).toContain('sidetrack_relay_client_connections_total{client="other"} 0\n');
  });
});
