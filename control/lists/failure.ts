/** Why a list was not taken: as an error for people, with a word for metrics. */
import { SidetrackError } from '../error.js';

/** What went wrong, in a word. */
export const LIST_FAILURES = [
  'unreachable',
  'timeout',
  'http_status',
  'redirect',
  'too_large',
  'checksum',
  'signature',
  'malformed',
  'empty',
  'shrunken',
  'disk',
] as const;
export type ListFailure = (typeof LIST_FAILURES)[number];

export class ListError extends SidetrackError {
  constructor(
    readonly reason: ListFailure,
    message: string,
    hint: string,
    cause?: unknown,
  ) {
    super(message, { code: `list-${reason.replace('_', '-')}`, source: 'host', hint, cause });
  }
}
