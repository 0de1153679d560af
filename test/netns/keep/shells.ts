/** The shells that run the watcher on hosts. */
import { findProgram } from '../machines/programs.js';

/** The shell of busybox-static runs its own ip, and that is not iproute2's. */
const BUSYBOX = findProgram('busybox');

export const SHELLS: [string, string[]][] = [['dash', ['dash']]];
if (BUSYBOX?.includes('/rivals/')) SHELLS.push(['BusyBox', [BUSYBOX, 'sh']]);
