/** How high a chart reaches. Pure. */

/**
 * Where there is next to nothing the axis still reaches so far that its marks differ: those of zero to almost zero would
 * all be written alike.
 * @param most the highest value that is shown; null where there is none
 * @param least to which the axis reaches at least, in the same unit
 */
export const topOf = (most: number | null, least: number): number =>
  Math.max(1.1 * (most ?? 0), least);

/** Of bytes a second: 1 kbit/s. */
export const LEAST_RATE = 125;
export const LEAST_SECONDS = 1e-3;
/** Of events a second. */
export const LEAST_FREQUENCY = 2;
