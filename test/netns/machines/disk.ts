/** Everything below directories of a machine's disk, as text to compare: names, kinds, owners, permissions and content. */
import { runProcess } from '../../../control/hosts/process.js';

const LIST = `for directory; do
  cd "$directory" || exit
  find . -xdev -printf '%p %y %m %U:%G %l\\n' | sort
  find . -xdev -type f -exec sha256sum {} + | sort -k2
done`;

/** @param directories as seen from outside */
export async function diskOf(...directories: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await runProcess(['sh', '-c', LIST, 'sh', ...directories]);
  if (status !== 0) throw new Error(`looking at ${directories.join(', ')}: ${stderr}`);
  return stdout.split('\n');
}
