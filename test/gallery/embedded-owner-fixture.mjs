// A process that opens the embedded gallery of a folder and obeys its standard input, a command a line.
import { createInterface } from 'node:readline';
import { openGallery } from '../../dist/gallery/open-gallery.js';

const gallery = await openGallery({ location: { kind: 'embedded', folder: process.argv[2] }, schema: 'migrate' });
await gallery.schema();
console.log('ready');

let rollBack;
const commands = {
  add: async (name) => (await gallery.addPerson({ name, domain: 'd' })).name,
  names: async () =>
    (await gallery.persons('d')).items
      .map(({ name }) => name)
      .sort()
      .join(' '),
  begin: (name) =>
    new Promise((begun) => {
      gallery
        .transaction(async (inside) => {
          await inside.addPerson({ name, domain: 'd' });
          begun('begun');
          await new Promise((_, reject) => {
            rollBack = reject;
          });
        })
        .catch((error) => console.log(error.message));
    }),
  rollback: async () => {
    rollBack(new Error('changed my mind'));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...rest] = line.split(' ');
  const answer = await commands[command](rest.join(' '));
  if (answer !== undefined) console.log(answer);
}
await gallery.close();
