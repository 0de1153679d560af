/** Prints the unit that the package installs: `node build/control/cli/heartbeat/packaged-unit.js`. */
import { print } from '../output.js';
import { packagedHeartbeatUnit } from './unit.js';

print(packagedHeartbeatUnit().trimEnd());
