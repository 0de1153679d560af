/** Prints the unit that the package installs: `node build/control/cli/exporter/packaged-unit.js`. */
import { print } from '../output.js';
import { packagedExporterUnit } from './unit.js';

print(packagedExporterUnit().trimEnd());
