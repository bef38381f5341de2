import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { RecognizeAnswer } from '../../recognition/answer.js';
import { domainOption, jsonCommand, thresholdOption, topKOption } from '../arguments.js';
import { candidateLines } from '../candidate-table.js';
import { readInput } from '../input-file.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly domain: string;
  readonly threshold?: number;
  readonly topK: number;
  readonly annotate?: string;
}

export function recognizeCommand(terminal: Terminal): Command {
  return jsonCommand('recognize')
    .description('Who is on the photo? Every face against one domain.')
    .argument('<photo>', 'JPEG, PNG, WebP, AVIF, GIF or TIFF')
    .addOption(domainOption())
    .addOption(thresholdOption())
    .addOption(topKOption())
    .option('--annotate <file>', 'write the photo with boxes and names: .jpg or .png')
    .action((photo: string, flags: Flags) => run(terminal, photo, flags));
}

async function run(terminal: Terminal, path: string, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../config/config.js');
  const { openServices } = await import('../../server/services.js');
  const { annotateFaces, annotationFormat } = await import('../photo-annotation.js');
  const config = loadConfig();
  const { domain, threshold, topK, annotate } = flags;
  const format = annotate === undefined ? null : annotationFormat(annotate);
  const photo = await readInput(path);
  await using services = await openServices(config);
  const answer = await services.recognition.identify(photo, { domain, threshold, topK, signal: terminal.signal });
  if (annotate !== undefined && format !== null) {
    const limits = { maxBytes: config.maxPhotoBytes, maxPixels: config.maxPhotoPixels };
    await writeFile(annotate, await annotateFaces(photo, answer.faces, format, limits));
  }
  terminal.answer(answer, () => describe(answer, annotate));
}

function* describe(answer: RecognizeAnswer, annotated: string | undefined): Generator<string> {
  const { faces, image, timings } = answer;
  const found = faces.length === 0 ? 'no face' : faces.length === 1 ? '1 face' : `${faces.length} faces`;
  yield `${found} on ${image.width} × ${image.height} pixels; domain ${answer.domain}, mode ${answer.mode}`;
  for (const [index, { box, confidence, verdict, candidates }] of faces.entries()) {
    const place = `${Math.round(box.width)} × ${Math.round(box.height)} at ${Math.round(box.x)}, ${Math.round(box.y)}`;
    yield '';
    yield `face ${index + 1}: ${verdict}  (${place}, detected ${confidence.toFixed(2)})`;
    yield* candidateLines(candidates);
  }
  yield '';
  const { decode, faces: embedding, search, total } = timings;
  const parts = `decode ${decode.toFixed(0)}, faces ${embedding.toFixed(0)}, search ${search.toFixed(0)}`;
  yield `${total.toFixed(0)} ms (${parts})`;
  if (annotated !== undefined) yield `annotated photo: ${annotated}`;
}
