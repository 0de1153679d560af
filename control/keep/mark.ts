/** The first line of each file that sidetrack leaves on a host to keep it. */
export const MARK = '# Written by sidetrack; `sidetrack down` removes it.';
