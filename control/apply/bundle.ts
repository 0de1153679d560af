/** What a router without Node.js is sent in place of a specification: a bundle, made here. */
import { readFileSync } from 'node:fs';
import { writeBundle } from '../../bpf/bundle.js';
import { ClassifierError } from '../../bpf/error.js';
import { SidetrackError } from '../error.js';
import { CLASSIFIER_OBJECT } from '../hosts/far-loader.js';
import { version } from '../hosts/sidetrack.js';
import { attachOptions } from '../policy/attach-options.js';
import type { ClassifierSpec } from '../policy/classifier-spec.js';

/** @throws SidetrackError `policy-too-large`, `bundle-too-large`, `object-missing` */
export function bundleOf(spec: ClassifierSpec): string {
  const options = attachOptions(spec, { directory: '', object: CLASSIFIER_OBJECT });
  try {
    return writeBundle(options, { object: readFileSync(CLASSIFIER_OBJECT), version: version() });
  } catch (cause) {
    if (!(cause instanceof ClassifierError)) throw cause;
    const { message, code, source, hint } = cause;
    throw new SidetrackError(message, {
      code,
      source,
      ...(hint !== undefined && { hint }),
      cause,
    });
  }
}
