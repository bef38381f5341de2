import type { Command } from 'commander';
import { jsonCommand } from '../arguments.js';
import type { Terminal } from '../terminal.js';

export function serveCommand(terminal: Terminal): Command {
  return jsonCommand('serve')
    .description(
      'Start the HTTP service: on the database of VECTOR_DB_URL, else on the embedded one in KITH_DATA. ' +
        'A first start with an empty embedded database enrols a small sample gallery.',
    )
    .action(async () => {
      const { loadConfig } = await import('../../config/config.js');
      const { serve } = await import('../../server/serve.js');
      const config = loadConfig();
      terminal.allowStop((config.shutdownSeconds + 5) * 1000);
      await serve(config, { say: (line) => terminal.say(line), signal: terminal.signal });
    });
}
