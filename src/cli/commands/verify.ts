import type { Command } from 'commander';
import { jsonCommand, spaceOption, thresholdOption } from '../arguments.js';
import { readInput } from '../input-file.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly threshold?: number;
  readonly space?: string;
}

export function verifyCommand(terminal: Terminal): Command {
  return jsonCommand('verify')
    .description('Do two photos show one person? The largest face of each is compared.')
    .argument('<photo>')
    .argument('<other>')
    .addOption(thresholdOption())
    .addOption(spaceOption("embedding space to compare in (default: the bundled engine's)"))
    .action(async (left: string, right: string, { threshold, space }: Flags) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      const { parseSpaceName } = await import('../../embedding/space.js');
      const photos = [await readInput(left), await readInput(right)] as const;
      const name = space === undefined ? undefined : parseSpaceName(space);
      await using services = await openServices(loadConfig());
      const { recognition } = services;
      const answer = await recognition.verify(...photos, { threshold, space: name, signal: terminal.signal });
      terminal.answer(answer, () => [
        `${answer.verdict}: distance ${answer.distance.toFixed(4)}, threshold ${answer.threshold}` +
          (answer.confidence === null ? '' : `, confidence ${answer.confidence}`),
        `space ${answer.space}`,
      ]);
    });
}
