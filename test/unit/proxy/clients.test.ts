import { expect, it } from 'vitest';
import { CLIENT_ADDRESS_OFFSET, CLIENT_SIZE, clientOffset } from '../../../proxy/abi.js';
import { addressToBytes } from '../../../proxy/address.js';
import { sumClients } from '../../../proxy/clients.js';

type Values = Partial<Record<keyof typeof clientOffset, number>>;

/** One entry as the engine would write it. */
function entry(address: string, values: Values): Buffer {
  const bytes = Buffer.alloc(CLIENT_SIZE);
  addressToBytes(address).copy(bytes, CLIENT_ADDRESS_OFFSET);
  for (const [name, value] of Object.entries(values))
    bytes.writeBigUInt64LE(BigInt(value), clientOffset[name as keyof typeof clientOffset]);
  return bytes;
}

it('adds up what the threads have counted for a client', () => {
  const first = [
    entry('::', {}),
    entry('192.168.1.7', { connections: 2, active: 1, upload_bytes: 2 ** 40 + 5, seen_ms: 5000 }),
    entry('2001:db8::7', { connections: 1, download_bytes: 9, seen_ms: 100 }),
  ];
  const second = [
    entry('::', {}),
    entry('192.168.1.7', { connections: 3, active: 2, upload_bytes: 1, seen_ms: 7000 }),
  ];
  expect(sumClients([Buffer.concat(first), Buffer.concat(second), Buffer.alloc(0)])).toEqual([
    {
      address: '192.168.1.7',
      active: 3,
      connections: 5,
      uploadBytes: 2 ** 40 + 6,
      downloadBytes: 0,
      lastSeen: new Date(7000),
    },
    {
      address: '2001:db8::7',
      active: 0,
      connections: 1,
      uploadBytes: 0,
      downloadBytes: 9,
      lastSeen: new Date(100),
    },
  ]);
});

it('has one more for those without an entry, if there are any', () => {
  const threads = [1, 4].map((connections) => entry('::', { connections, active: 1 }));
  expect(sumClients(threads)).toMatchObject([{ address: 'other', active: 2, connections: 5 }]);
});
