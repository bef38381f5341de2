import type { Command } from 'commander';
import { given, jsonCommand } from '../arguments.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly adminUrl?: string;
  readonly database: string;
  readonly owner: string;
  readonly role: string;
  readonly passwordFile?: string;
  readonly rotate?: boolean;
}

export function initCommand(terminal: Terminal): Command {
  return jsonCommand('init')
    .description(
      'Makes a database with pgvector, a role that owns the tables and one for the service that cannot alter them. Passwords are made at random, kept in the password file (mode 0600), and never printed. Safe to run again.',
    )
    .option('--admin-url <url>', "an administrator's URL, best without a password in it (default: VECTOR_DB_ADMIN_URL)")
    .option('--database <name>', 'its name', 'kith')
    .option('--owner <name>', 'owns the tables: for kith db migrate', 'kith_owner')
    .option('--role <name>', 'for the service', 'kith')
    .option('--password-file <file>', 'where passwords are kept (default: PGPASSFILE, else ~/.pgpass)')
    .option('--rotate', 'new passwords, even where the kept ones work')
    .action(async ({ adminUrl, database, owner, role, passwordFile, rotate }: Flags) => {
      const { adminConnection } = await import('../../config/database-connection.js');
      const { initDatabase } = await import('../../ops/db-init.js');
      const admin = await adminConnection(adminUrl);
      const report = await initDatabase({ admin, database, owner, role, ...given({ passwordFile, rotate }) });
      terminal.answer(report, () => [
        ...report.made.map((what) => `made   ${what}`),
        ...report.found.map((what) => `found  ${what}`),
        '',
        `Passwords are in ${report.passwordFile}. The schema, as its owner:`,
        `  VECTOR_DB_URL=${report.ownerUrl} kith db migrate`,
        'The service:',
        `  VECTOR_DB_URL=${report.serviceUrl} kith serve`,
      ]);
    });
}
