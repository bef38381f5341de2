import type { ConnectionOptions } from 'node:tls';

/** A PostgreSQL server, resolved: where it is and how to get in. */
export interface ServerConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Asked once per new connection, so that a renewed secret is used without a restart. */
  readonly password?: () => string | undefined | Promise<string | undefined>;
  readonly ssl?: boolean | ConnectionOptions;
}

/** Where a gallery's database is. */
export type DatabaseLocation =
  | { readonly kind: 'postgres'; readonly connection: ServerConnection | string }
  /** The embedded database in a folder; through the service that owns it when one is running. */
  | { readonly kind: 'embedded'; readonly folder: string };
