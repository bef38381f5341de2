// Kith as a library: a gallery in an embedded database, a person with a face, and a search.
// node examples/library.mjs <folder for the database>
import { embedding, openGallery, parseSpaceName, spaceFromName } from 'kith';

const [folder = 'data-example'] = process.argv.slice(2);
const space = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
// Any 512 numbers will do here; a real one comes from an engine of that space.
const values = Float32Array.from({ length: 512 }, (_, index) => Math.sin(index + 1));

await use(await openGallery({ data: folder, schema: 'migrate' }), async (gallery) => {
  await gallery.ensureDomain('example', space);
  const person = await gallery.addPerson({ name: 'Ana', domain: 'example', occupation: 'engineer' });
  await gallery.addEmbedding({
    personId: person.id,
    imagePath: 'example/Ana/1.jpg',
    embedding: embedding(values, space),
  });
  const candidates = await gallery.findMatches(values, 'example', { threshold: 0.5, topK: 3 });
  console.log(JSON.stringify(candidates, null, 2));
});

/** What `await using` does, where the language does not have it yet (Node 20). */
async function use(resource, work) {
  try {
    await work(resource);
  } finally {
    await resource[Symbol.asyncDispose]();
  }
}
