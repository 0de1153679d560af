/** The eBPF classifier's program here, and from its errors to ours. */
import { ClassifierError } from '../../bpf/error.js';
import { isCallError, permissionError } from '../../bpf/object.js';
import { SidetrackError } from '../error.js';
import { packageFile } from './package.js';

export const CLASSIFIER_OBJECT = packageFile('build/bpf/classify.bpf.o');

/** Runs `work`; what the classifier says becomes an error that the command line prints. */
export function asSidetrackError<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throwSidetrackError(cause);
  }
}

/** Throws what the classifier threw, as an error that the command line prints. */
export function throwSidetrackError(cause: unknown): never {
  const error = isCallError(cause, 'EPERM', 'EACCES') ? permissionError(cause) : cause;
  if (!(error instanceof ClassifierError)) throw error;
  const { message, code, source, hint } = error;
  throw new SidetrackError(message, {
    code,
    source,
    ...(hint !== undefined && { hint }),
    cause: error.verifierLog ?? error.cause,
  });
}
