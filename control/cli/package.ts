/** Files and version of our own package. */
export { packageFile, version } from '../hosts/sidetrack.js';
