/** `sidetrack` itself, without its commands. */
import { Command } from 'commander';
import { version } from './package.js';

const EXAMPLES = `Examples:
  sidetrack init                 # write sidetrack.yaml for this network
  sidetrack check                # find mistakes in it
  sidetrack plan                 # see what would change
  sudo sidetrack apply           # change it
  sudo sidetrack relay           # on the server: relay what is steered here
  sudo sidetrack down            # take everything back
`;

export function rootCommand(): Command {
  return new Command('sidetrack')
    .description('Hand chosen traffic from a router to a server that needs SO_ORIGINAL_DST')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for examples and options)')
    .addHelpText('before', EXAMPLES);
}
