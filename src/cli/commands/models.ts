import type { Command } from 'commander';
import { given, jsonCommand } from '../arguments.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

export function modelsCommand(terminal: Terminal): Command {
  return jsonCommand('models')
    .description("DeepFace's weights on this machine. The bundled engine needs none of them.")
    .addCommand(listCommand(terminal))
    .addCommand(checkCommand(terminal))
    .addCommand(pullCommand(terminal));
}

async function folders(): Promise<string[]> {
  const { loadConfig } = await import('../../config/config.js');
  const { modelFolders } = await import('../../config/model-folders.js');
  return modelFolders(loadConfig());
}

function listCommand(terminal: Terminal): Command {
  return jsonCommand('list')
    .description('Which models Kith knows, and where they are.')
    .action(async () => {
      const { listModels } = await import('../../inference/models.js');
      const looked = await folders();
      const models = await listModels(looked);
      terminal.answer({ folders: looked, models }, function* () {
        yield* tableLines(
          ['model', 'use', 'file', 'where'],
          models.map(({ name, use, file, path }) => [name, use, file, path ?? 'not here']),
        );
        yield `looked in ${looked.join(', ')}`;
      });
    });
}

function checkCommand(terminal: Terminal): Command {
  return jsonCommand('check')
    .description('Compare SHA-256 of the models that are here. Exits 1 when one differs, or a named one is missing.')
    .argument('[models...]', 'names or files (default: all that are here)')
    .action(async (names: string[]) => {
      const { checkModels } = await import('../../inference/models.js');
      using progress = terminal.progress('hashing', 'bytes');
      const checks = await checkModels(await folders(), {
        ...given({ only: names.length === 0 ? undefined : names }),
        onProgress: ({ done, total }) => progress.update(done, total),
        signal: terminal.signal,
      });
      progress.end();
      const bad = checks.filter(
        ({ verdict }) => verdict === 'different' || (verdict === 'missing' && names.length > 0),
      );
      terminal.answer({ checks }, () =>
        tableLines(
          ['file', 'verdict', 'sha256'],
          checks.map(({ file, verdict, sha256 }) => [file, verdict, sha256 ?? '–']),
        ),
      );
      if (bad.length > 0) terminal.exitWith(1);
    });
}

interface PullFlags {
  readonly url?: string;
  readonly sha256?: string;
}

function pullCommand(terminal: Terminal): Command {
  return jsonCommand('pull')
    .description(
      'Fetch a model from the address that DeepFace takes it from, or from --url; resumes, checks size and hash.',
    )
    .argument('<model>', 'name or file, as kith models list has them')
    .option('--url <address>', 'where to fetch it from')
    .option('--sha256 <hex>', 'hash that it must have')
    .action(async (model: string, { url, sha256 }: PullFlags) => {
      const { pullModel } = await import('../../inference/model-pull.js');
      const [folder = '.'] = await folders();
      using progress = terminal.progress(model, 'bytes');
      const pulled = await pullModel(model, {
        folder,
        url,
        sha256,
        onProgress: ({ done, total }) => progress.update(done, total),
        signal: terminal.signal,
      });
      progress.end();
      terminal.answer(pulled, () => [
        `${pulled.state}: ${pulled.path}, ${pulled.bytes} bytes, sha256 ${pulled.sha256}`,
        ...(pulled.verified ? [] : ['warning: no hash was known to hold it against']),
      ]);
    });
}
