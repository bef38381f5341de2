import type { Command } from 'commander';
import type { SchemaStatus } from '../../gallery/gallery.js';
import { jsonCommand } from '../arguments.js';
import type { Terminal } from '../terminal.js';
import { initCommand } from './db-init.js';

export function dbCommand(terminal: Terminal): Command {
  return jsonCommand('db')
    .description('The database: its schema, and setting one up.')
    .addCommand(statusCommand(terminal))
    .addCommand(migrateCommand(terminal))
    .addCommand(initCommand(terminal));
}

const describe = (status: SchemaStatus): string => {
  switch (status.state) {
    case 'current':
      return `the schema is up to date (version ${status.version})`;
    case 'missing':
      return 'there is no schema yet: kith db migrate makes it';
    case 'old-service':
      return "the old service's two tables are here: kith db migrate takes them over in place and loses nothing";
    case 'old':
      return `the schema has version ${status.version} of ${status.latest}: kith db migrate brings it up to date`;
    case 'newer':
      return `the schema has version ${status.version}, and this Kith knows ${status.latest}: use a newer Kith`;
  }
};

function statusCommand(terminal: Terminal): Command {
  return jsonCommand('status')
    .description('Is the schema there and up to date? Exits 1 when it is not.')
    .action(async () => {
      const { loadConfig } = await import('../../config/config.js');
      const { schemaStatusOf } = await import('../../server/services.js');
      const status = await schemaStatusOf(loadConfig(), terminal.signal);
      terminal.answer({ schema: status }, () => [describe(status)]);
      if (status.state !== 'current') terminal.exitWith(1);
    });
}

function migrateCommand(terminal: Terminal): Command {
  return jsonCommand('migrate')
    .description("Bring the schema up to date; takes the old service's tables over in place. Safe to run again.")
    .action(async () => {
      const { loadConfig } = await import('../../config/config.js');
      const { openDatabaseOf } = await import('../../server/services.js');
      await using gallery = await openDatabaseOf(loadConfig(), { schema: 'any', create: true });
      const applied = await gallery.migrateSchema({ signal: terminal.signal });
      const status = await gallery.schema({ signal: terminal.signal });
      terminal.answer({ applied, schema: status }, () => [
        applied.length === 0 ? 'nothing to do' : `applied ${applied.join(', ')}`,
        describe(status),
      ]);
    });
}
