/** What becomes of a flow that rules proxy and that cannot be handed over. */
export const ON_FAILURE = ['direct', 'block', 'reset'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

/** Whether such a flow ends here: it is dropped or reset, and never goes out past the servers. */
export const refuses = (onFailure: OnFailure): boolean => onFailure !== 'direct';
