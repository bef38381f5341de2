/**
 * Connections to PostgreSQL that a process may hold: what `VECTOR_DB_POOL_SIZE` and the library's `poolSize` allow. Two
 * at least: a command that locks a domain holds one and works on another.
 */
export const POOL_SIZE = Object.freeze({ min: 2, max: 100, default: 10 });
