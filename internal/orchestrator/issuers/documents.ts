// What an issuer publishes: the name that its tokens bear, and the keys that they are signed by. Whoever reads it says so
// with an Error whose message is fit for the log.
import * as z from 'zod';

export interface Published {
  readonly issuer: string;
  /** A JSON Web Key Set, not looked into yet. */
  readonly keys: unknown;
}

export interface IssuerDocuments {
  read(): Promise<Published>;
}

const configurationSchema = z.object({ issuer: z.string(), jwks_uri: z.string() });
export type Configuration = z.infer<typeof configurationSchema>;

/** Of OpenID Connect discovery. */
export function parseConfiguration(document: unknown): Configuration {
  const parsed = configurationSchema.safeParse(document);
  if (!parsed.success) throw new Error('its configuration does not name issuer and jwks_uri');
  return parsed.data;
}
