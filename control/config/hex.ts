/** Marks and masks as `ip` writes them. */
export const hex = (value: number) => `0x${value.toString(16)}`;
