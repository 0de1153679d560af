/** One message to the service manager: sd_notify(3). The engine sends it, since Node cannot. */
import * as ffi from './ffi.js';

/**
 * @param socket what NOTIFY_SOCKET says.
 * @param fields such as `{ READY: 1, STATUS: 'relaying' }`.
 * @param fd a descriptor to send along.
 * @returns the errno name of what went wrong.
 */
export function notifyManager(
  socket: string,
  fields: Readonly<Record<string, string | number | bigint>>,
  fd = -1,
): string | undefined {
  // A line is a field; what we say of ourselves must not end one early.
  const lines = Object.entries(fields).map(
    ([name, value]) => `${name}=${String(value).replaceAll('\n', ' ')}`,
  );
  const result = ffi.notify(Buffer.from(socket), Buffer.from(lines.join('\n')), fd);
  return result === 0 ? undefined : ffi.errnoName(result);
}
