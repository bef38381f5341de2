import type { ConnectionOptions } from 'node:tls';

/** A PostgreSQL server, resolved: where it is and how to get in. `config/database-connection` makes one of a URL. */
export interface ServerConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Asked once per new connection, so that a renewed secret is used without a restart. */
  readonly password?: () => Promise<string>;
  readonly ssl?: boolean | ConnectionOptions;
  readonly applicationName?: string | null;
  /** Server settings in `-c name=value` form. */
  readonly options?: string | null;
  readonly connectTimeoutSeconds?: number | null;
}

/** Where a gallery's database is. */
export type DatabaseLocation =
  | { readonly kind: 'postgres'; readonly connection: ServerConnection }
  /** The embedded database in a folder; through the process that owns it when one is running. */
  | { readonly kind: 'embedded'; readonly folder: string };

/** A server's address for messages: never with user or password. */
export const addressOf = ({ host, port, database }: ServerConnection): string => `${host}:${port}/${database}`;
