/**
 * What the server answers, told from anything else. It is our own server, so a glance at the version is
 * enough; a page that was open while sidetrack was upgraded must notice. Pure.
 */
import type { ConnectionPage, Why } from '../connection-page.js';
import type { History, State } from '../state.js';

const VERSION: State['version'] = 1;

function isAnswer(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && 'version' in value && value.version === VERSION
  );
}

export const isState = (value: unknown): value is State =>
  isAnswer(value) && 'health' in value && Array.isArray(value.health) && 'at' in value;

export const isHistory = (value: unknown): value is History =>
  isAnswer(value) && 'at' in value && Array.isArray(value.at);

export const isConnectionPage = (value: unknown): value is ConnectionPage =>
  isAnswer(value) && 'connections' in value && Array.isArray(value.connections);

export const isWhy = (value: unknown): value is Why => isAnswer(value) && 'text' in value;

export const isClosed = (value: unknown): value is { closed: number[] } =>
  isAnswer(value) && 'closed' in value && Array.isArray(value.closed);
