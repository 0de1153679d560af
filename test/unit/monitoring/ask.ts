/** Requests to pages, with headers that fetch() would not send. */
import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { text } from 'node:stream/consumers';

export interface Answered {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** @param where the server's url, or the path of its socket. */
export async function ask(
  where: string,
  path: string,
  { body, ...options }: RequestOptions & { body?: string | object; ca?: string } = {},
): Promise<Answered> {
  const target = where.startsWith('/')
    ? { socketPath: where, host: 'localhost' }
    : { host: new URL(where).hostname, port: new URL(where).port };
  const open = where.startsWith('https') ? tlsRequest : request;
  const sent = open({ ...target, path, agent: false, ...options });
  if (body !== undefined) sent.write(typeof body === 'string' ? body : JSON.stringify(body));
  const [answer]: IncomingMessage[] = await once(sent.end(), 'response');
  if (answer === undefined) throw new Error('no answer');
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    body: await text(answer),
  };
}

export const asJson = { 'content-type': 'application/json' };
