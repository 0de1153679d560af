/** What is said when pages cannot be served: where the file says so, and who is in the way. */
import type { MonitoringError } from '../../../monitoring/server.js';
import type { Config } from '../../config/config.js';
import { printable } from '../../config/diagnostic.js';
import { SidetrackError } from '../../error.js';
import { listenerName } from './port-owner.js';

/** @param section of the configuration that has the pages. @param port of them, where they have one */
export function pagesError(
  cause: MonitoringError,
  { positionOf }: Config,
  section: readonly string[],
  port: number | undefined,
): SidetrackError {
  const { message, code, hint, key } = cause;
  const { file, line, column } = positionOf([...section, key]);
  const owner =
    code === 'EADDRINUSE' && port !== undefined && key !== 'socket'
      ? listenerName(port)
      : undefined;
  const by = owner === undefined ? '' : ` by ${printable(owner)}`;
  return new SidetrackError(`${printable(file)}:${line}:${column}: ${message}${by}`, {
    code: 'metrics-port',
    source: 'host',
    hint,
    cause,
  });
}
