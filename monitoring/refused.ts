export const CREDENTIALS_NEEDED =
  'credentials are needed: curl -H "Authorization: Bearer TOKEN", or curl -u USER';

/** A request that is not done, in words for the person who made it. */
export class Refused extends Error {
  constructor(
    /** Of HTTP. */
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string | string[]>> = {},
  ) {
    super(message);
    this.name = 'Refused';
  }
}
