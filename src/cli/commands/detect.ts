import type { Command } from 'commander';
import type { FacesAnswer } from '../../recognition/answer.js';
import { jsonCommand, spaceOption } from '../arguments.js';
import { readInput } from '../input-file.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

type Task = 'detect' | 'embed';

export const detectCommand = (terminal: Terminal): Command =>
  facesCommand(terminal, 'detect', 'Where are the faces of the photo?');

export const embedCommand = (terminal: Terminal): Command =>
  facesCommand(terminal, 'embed', 'The faces of the photo with the embedding of each (in full with --json).');

/** `detect` and `embed` take and answer the same; only the second computes embeddings. */
function facesCommand(terminal: Terminal, task: Task, description: string): Command {
  return jsonCommand(task)
    .description(description)
    .argument('<photo>', 'JPEG, PNG, WebP, AVIF, GIF or TIFF')
    .addOption(spaceOption("embedding space, and with it the detector (default: the bundled engine's)"))
    .action(async (path: string, flags: { readonly space?: string }) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      const { parseSpaceName } = await import('../../embedding/space.js');
      const photo = await readInput(path);
      const space = flags.space === undefined ? undefined : parseSpaceName(flags.space);
      await using services = await openServices(loadConfig());
      const answer = await services.recognition[task](photo, { space, signal: terminal.signal });
      terminal.answer(answer, () => describe(answer));
    });
}

function* describe({ faces, space }: FacesAnswer): Generator<string> {
  yield `${faces.length === 0 ? 'no face' : `${faces.length} face(s)`}; space ${space}`;
  if (faces.length === 0) return;
  yield* tableLines(
    ['x', 'y', 'width', 'height', 'detected', 'embedding'],
    faces.map(({ box, confidence, embedding }) => [
      Math.round(box.x),
      Math.round(box.y),
      Math.round(box.width),
      Math.round(box.height),
      Number(confidence.toFixed(2)),
      embedding === undefined ? '–' : `${embedding.length} numbers`,
    ]),
  );
}
