import type { Command } from 'commander';
import { jsonCommand } from '../arguments.js';
import type { Terminal } from '../terminal.js';

export function demoCommand(terminal: Terminal): Command {
  return jsonCommand('demo')
    .description('Tell the whole story in this terminal: photos, gallery, DeepFace datastore, migration, recognition.')
    .action(async () => {
      const { tellStory } = await import('../demo-story.js');
      await tellStory(terminal);
    });
}
