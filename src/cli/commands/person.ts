import { type Command, Option } from 'commander';
import type { Gallery } from '../../gallery/gallery.js';
import type { Person } from '../../gallery/person.js';
import { domainOption, given, jsonCommand, numberWithin } from '../arguments.js';
import { author } from '../author.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

export function personCommand(terminal: Terminal): Command {
  return jsonCommand('person')
    .description('Enrolled persons.')
    .addCommand(listCommand(terminal))
    .addCommand(showCommand(terminal))
    .addCommand(renameCommand(terminal))
    .addCommand(mergeCommand(terminal))
    .addCommand(eraseCommand(terminal));
}

async function withGallery(work: (gallery: Gallery) => Promise<void>): Promise<void> {
  const { loadConfig } = await import('../../config/config.js');
  const { openDatabaseOf } = await import('../../server/services.js');
  await using gallery = await openDatabaseOf(loadConfig());
  await work(gallery);
}

const asLines = (persons: readonly Person[]): Iterable<string> =>
  tableLines(
    ['id', 'name', 'domain', 'occupation', 'wikidata'],
    persons.map(({ id, name, domain, occupation, wikidataId }) => [
      id,
      name,
      domain,
      occupation ?? '–',
      wikidataId ?? '–',
    ]),
  );

interface ListFlags {
  readonly domain: string;
  readonly limit?: number;
  readonly cursor?: string;
}

function listCommand(terminal: Terminal): Command {
  return jsonCommand('list')
    .description('The persons of a domain.')
    .addOption(domainOption())
    .addOption(new Option('--limit <n>', 'default: 100').argParser(numberWithin(1, 1000, true)))
    .option('--cursor <text>', '"next" of the page before')
    .action(({ domain, limit, cursor }: ListFlags) =>
      withGallery(async (gallery) => {
        const { signal } = terminal;
        const page = await gallery.persons(domain, given({ limit, after: cursor }), { signal });
        terminal.answer(page, function* () {
          yield* asLines(page.items);
          if (page.next !== null) yield `more: --cursor ${page.next}`;
        });
      }),
    );
}

/** A person by id, or by name with a domain. Throws `person-unknown`. */
async function find(gallery: Gallery, who: string, domain: string | undefined): Promise<Person> {
  const named = domain === undefined ? null : await gallery.findPerson(who, domain);
  return named ?? gallery.person(who);
}

interface WhoFlags {
  readonly domain?: string;
}

function showCommand(terminal: Terminal): Command {
  return jsonCommand('show')
    .description('A person with its faces.')
    .argument('<id>', 'id, or a name with --domain')
    .option('--domain <name>', 'the gallery')
    .action((who: string, { domain }: WhoFlags) =>
      withGallery(async (gallery) => {
        const person = await find(gallery, who, domain);
        const faces = await gallery.faces(person.id, {}, { signal: terminal.signal });
        terminal.answer({ person, faces }, function* () {
          yield* asLines([person]);
          for (const { imagePath, faceNumber } of faces.items)
            yield `  ${imagePath}${faceNumber === 1 ? '' : ` (face ${faceNumber})`}`;
          if (faces.next !== null) yield '  …';
        });
      }),
    );
}

function renameCommand(terminal: Terminal): Command {
  return jsonCommand('rename')
    .description('Give a person another name.')
    .argument('<id>', 'id, or a name with --domain')
    .argument('<name>', 'the new name')
    .option('--domain <name>', 'the gallery')
    .action((who: string, name: string, { domain }: WhoFlags) =>
      withGallery(async (gallery) => {
        const { id } = await find(gallery, who, domain);
        const person = await gallery.renamePerson(id, name, { signal: terminal.signal });
        terminal.answer(person, () => asLines([person]));
      }),
    );
}

interface MergeFlags {
  readonly domain?: string;
  readonly reason?: string;
}

function mergeCommand(terminal: Terminal): Command {
  return jsonCommand('merge')
    .description('Give all faces of a person to another one of its domain, and delete it. Photos and datastores stay.')
    .argument('<from>', 'who goes: id, or a name with --domain')
    .argument('<into>', 'who stays, with its own name: id, or a name with --domain')
    .option('--domain <name>', 'the gallery')
    .option('--reason <text>', 'recorded with the change')
    .action((from: string, into: string, { domain, reason }: MergeFlags) =>
      withGallery(async (gallery) => {
        const [gone, kept] = [await find(gallery, from, domain), await find(gallery, into, domain)];
        const answer = await gallery.mergePersons(gone.id, kept.id, author(reason), { signal: terminal.signal });
        const { person, merged, faces } = answer;
        terminal.answer(answer, () => [
          `${faces} faces of ${merged.name} are now ${person.name}'s in ${person.domain}; ${merged.name} is gone`,
        ]);
      }),
    );
}

interface EraseFlags {
  readonly domain?: string;
  readonly all?: true;
}

function eraseCommand(terminal: Terminal): Command {
  return jsonCommand('erase')
    .description('Delete a person with all its faces from the database, or every person of a domain. Photos stay.')
    .argument('[id]', 'id, or a name with --domain')
    .option('--domain <name>', 'the gallery')
    .option('--all', 'every person of the domain')
    .action((who: string | undefined, { domain, all }: EraseFlags, command: Command) =>
      withGallery(async (gallery) => {
        if (all === true && domain !== undefined && who === undefined) return eraseAll(terminal, gallery, domain);
        if (all === true || who === undefined)
          command.error('error: give a person, or --domain <name> --all for every person of it');
        const person = await find(gallery, who, domain);
        await gallery.deletePerson(person.id, { signal: terminal.signal });
        terminal.answer({ erased: 1, persons: [person] }, () => [`erased ${person.name} of ${person.domain}`]);
      }),
    );
}

/** Person by person, so that a domain of any size is erased in short transactions and Ctrl-C stops between two. */
async function eraseAll(terminal: Terminal, gallery: Gallery, domain: string): Promise<void> {
  const { signal } = terminal;
  using progress = terminal.progress(`${domain}: erasing`, 'persons');
  let erased = 0;
  for (;;) {
    const { items } = await gallery.persons(domain, { limit: 1000 }, { signal });
    if (items.length === 0) break;
    for (const { id } of items) {
      await gallery.deletePerson(id, { signal });
      progress.update(++erased);
    }
  }
  progress.end();
  terminal.answer({ domain, erased }, () => [`erased ${erased} persons of ${domain}`]);
}
