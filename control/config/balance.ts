/** What of a flow chooses its server; all that have it in common go to one. */
export const BALANCES = ['client', 'client_destination', 'flow'] as const;
export type Balance = (typeof BALANCES)[number];
