import pg from 'pg';
import { addressOf, type ServerConnection } from './connection.js';
import { PostgresDatabase } from './postgres-database.js';
import type { CancelStatement } from './postgres-session.js';

export interface ServerOptions {
  readonly poolSize: number;
  /** Milliseconds; 0: no limit. */
  readonly statementTimeout: number;
}

function clientConfig(connection: ServerConnection, options: ServerOptions): pg.ClientConfig {
  const { host, port, user, database, password, ssl, connectTimeoutSeconds } = connection;
  return {
    host,
    port,
    user,
    database,
    application_name: connection.applicationName ?? 'kith',
    ...(password === undefined ? {} : { password }),
    ...(ssl === undefined ? {} : { ssl }),
    ...(connection.options == null ? {} : { options: connection.options }),
    ...(connectTimeoutSeconds == null ? {} : { connectionTimeoutMillis: connectTimeoutSeconds * 1000 }),
    ...(options.statementTimeout > 0 ? { statement_timeout: options.statementTimeout } : {}),
  };
}

/** Cancels by process id over a connection of its own: works with TLS and every way to log in. */
function cancelOver(config: pg.ClientConfig): CancelStatement {
  return async (client) => {
    const processId = (client as { processID?: number | null }).processID;
    if (processId == null) return;
    const other = new pg.Client(config);
    other.on('error', () => undefined);
    try {
      await other.connect();
      await other.query('select pg_cancel_backend($1)', [processId]);
    } catch {
      // The server is gone or lets nobody in: the statement ends with its own connection.
    } finally {
      await other.end().catch(() => undefined);
    }
  };
}

/** A PostgreSQL server. Nothing is connected before the first statement. */
export function openServerDatabase(connection: ServerConnection, options: ServerOptions): PostgresDatabase {
  const client = clientConfig(connection, options);
  return new PostgresDatabase({
    kind: 'postgres',
    address: addressOf(connection),
    client,
    size: options.poolSize,
    cancel: cancelOver(client),
  });
}
