/** Prints the unit that the package installs: `node build/control/cli/relay/packaged-unit.js`. */
import { print } from '../output.js';
import { packagedUnit } from './unit.js';

print(packagedUnit().trimEnd());
