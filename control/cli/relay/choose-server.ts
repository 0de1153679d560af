/** Which server of the configuration this machine is. */
import type { Config, ServerConfig } from '../../config/config.js';
import { SidetrackError } from '../../error.js';

/** @throws SidetrackError when there is none of that name, or it has no relay of ours. */
export function chooseServer({ servers, file }: Config, name: string | undefined): ServerConfig {
  const server = name === undefined ? servers[0] : servers.find((one) => one.name === name);
  const names = servers.map((one) => one.name).join(', ');
  if (server === undefined)
    throw new SidetrackError(`there is no server "${name}" in ${file}`, {
      code: 'no-such-host',
      source: 'user',
      hint: `choose one of ${names}`,
    });
  if (server.program === 'relay') return server;
  throw new SidetrackError(`${file} says that ${server.name} runs a program of its own`, {
    code: 'program-external',
    source: 'user',
    hint: 'write `program: relay` to use the relay',
  });
}
