import { type Command, Option } from 'commander';
import { KithError } from '../../errors.js';
import { domainOption, jsonCommand, thresholdOption, topKOption } from '../arguments.js';
import { candidateLines } from '../candidate-table.js';
import { readInput } from '../input-file.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly domain: string;
  readonly embedding: string;
  readonly threshold?: number;
  readonly topK: number;
}

export function searchCommand(terminal: Terminal): Command {
  return jsonCommand('search')
    .description("Which persons of the domain are nearest to an embedding of the domain's space?")
    .addOption(domainOption())
    .addOption(new Option('--embedding <file.json>', 'a JSON array of numbers').makeOptionMandatory())
    .addOption(thresholdOption())
    .addOption(topKOption())
    .action(async ({ domain, embedding, threshold, topK }: Flags) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      const values = await readEmbedding(embedding);
      await using services = await openServices(loadConfig());
      const { signal } = terminal;
      const answer = await services.recognition.search(values, { domain, threshold, topK, signal });
      terminal.answer(answer, function* () {
        yield `${answer.candidates.length} candidate(s); domain ${answer.domain}, mode ${answer.mode}`;
        yield* candidateLines(answer.candidates);
      });
    });
}

/** Throws `file-content` unless the file holds a plain JSON array of numbers. */
async function readEmbedding(path: string): Promise<number[]> {
  const text = (await readInput(path)).toString('utf8');
  const fault = new KithError('file-content', { path, expected: 'a JSON array of numbers' });
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    throw fault;
  }
  if (Array.isArray(values) && values.length > 0 && values.every((value) => typeof value === 'number')) return values;
  throw fault;
}
