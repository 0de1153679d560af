/** Which server of the configuration this machine is. */
import type { Config, ServerConfig } from '../../config/config.js';
import { SidetrackError } from '../../error.js';

/**
 * @param name may be absent where the file has one server only.
 * @throws SidetrackError when there is none of that name, or it has no relay of ours.
 */
export function chooseServer(config: Config, name: string | undefined): ServerConfig {
  const server = namedServer(config, name);
  if (server.program === 'relay') return server;
  throw new SidetrackError(`${config.file} says that ${server.name} runs a program of its own`, {
    code: 'program-external',
    source: 'user',
    hint: 'write `program: relay` to use the relay',
  });
}

/** The same, whatever it runs. @throws SidetrackError when there is none of that name. */
export function namedServer({ servers, file }: Config, name: string | undefined): ServerConfig {
  const server = servers.find((one) =>
    name === undefined ? servers.length === 1 : one.name === name,
  );
  const names = servers.map((one) => one.name).join(', ');
  if (server === undefined)
    throw new SidetrackError(
      name === undefined
        ? `${file} has several servers, and this machine could be any of them`
        : `there is no server "${name}" in ${file}`,
      { code: 'no-such-host', source: 'user', hint: `choose one of ${names}: --server NAME` },
    );
  return server;
}
