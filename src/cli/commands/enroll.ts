import { type Command, Option } from 'commander';
import type { EnrolReport } from '../../recognition/enrol.js';
import { domainOption, given, jsonCommand, numberWithin, spaceOption } from '../arguments.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly domain: string;
  readonly space?: string;
  readonly allFaces?: true;
  readonly minSize?: number;
  readonly minSharpness?: number;
  readonly maxTurn?: number;
  readonly skipPoor?: true;
  readonly prune?: true;
}

export function enrollCommand(terminal: Terminal): Command {
  return jsonCommand('enroll')
    .description(
      'Turn a folder of <Person>/<image> into a gallery. Only new and changed images are computed; ' +
        'killed and run again, it goes on.',
    )
    .argument('<dir>', 'folder of <Person>/<image>')
    .addOption(domainOption())
    .addOption(spaceOption("embedding space of a new domain (default: the bundled engine's)"))
    .option('--all-faces', 'of an image with several faces enrol all, as DeepFace does, not only the largest')
    .addOption(new Option('--min-size <px>', 'shorter side of a good face').argParser(numberWithin(1, 10_000)))
    .addOption(new Option('--min-sharpness <n>', 'sharpness of a good face').argParser(numberWithin(0, 1_000_000)))
    .addOption(new Option('--max-turn <n>', '0 frontal … 1 profile').argParser(numberWithin(0, 1)))
    .option('--skip-poor', 'leave poor faces out instead of only reporting them')
    .option('--prune', 'delete the faces of images that are gone from the folder')
    .action((dir: string, flags: Flags) => run(terminal, dir, flags));
}

async function run(terminal: Terminal, dir: string, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../config/config.js');
  const { openServices } = await import('../../server/services.js');
  const { parseSpaceName } = await import('../../embedding/space.js');
  const { minSize, minSharpness, maxTurn } = flags;
  const space = flags.space === undefined ? undefined : parseSpaceName(flags.space);
  await using services = await openServices(loadConfig(), {
    schema: 'migrate',
    onEvent: (event) => {
      if (event.kind === 'signature-stale')
        terminal.note(`the signature ${event.signature} no longer fits the datastore: sign it anew, or remove it`);
    },
  });
  const { BulkProgress } = await import('../../ops/bulk-progress.js');
  await using told = new BulkProgress((await services.gallery()).database, 'enrolment');
  using progress = terminal.progress(`${flags.domain}: enrolling`, 'images');
  const report = await services.recognition.enrol({
    domain: flags.domain,
    source: dir,
    faces: flags.allFaces ? 'all' : 'largest',
    quality: given({ minSize, minSharpness, maxTurn }),
    ...given({ space, skipPoor: flags.skipPoor, prune: flags.prune }),
    onProgress: ({ done, total }) => {
      progress.update(done, total);
      told.update(flags.domain, done, total);
    },
    signal: terminal.signal,
  });
  progress.end();
  terminal.answer(report, () => describe(report));
}

function* describe(report: EnrolReport): Generator<string> {
  const { images, faces, persons, seconds } = report;
  yield `${report.domain}: ${faces} faces of ${persons} persons from ${images} images in ${seconds.toFixed(1)} s`;
  yield `space ${report.space}`;
  yield* tableLines(
    ['new', 'replaced', 'unchanged', 'gone', 'no face', 'several faces', 'poor', 'unreadable'],
    [
      [
        report.new,
        report.replaced,
        report.unchanged,
        report.removed.length,
        report.noFace.length,
        report.severalFaces.length,
        report.poor.length,
        report.unreadable.length,
      ],
    ],
  );
  for (const note of report.noFace) yield `no face: ${note.image}`;
  for (const note of report.severalFaces) yield `${note.faces} faces, ${note.enrolled} enrolled: ${note.image}`;
  for (const note of report.poor) yield `poor (${note.reasons.join(', ')}): ${note.image}`;
  for (const note of report.unreadable) yield `unreadable: ${note.image}: ${note.message}`;
  for (const note of report.removed) yield `gone from the folder: ${note.image}`;
  if (report.removed.length > report.pruned) yield '--prune deletes the faces of images that are gone';
}
