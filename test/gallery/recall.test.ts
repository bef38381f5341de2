import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Candidate } from '#kith/gallery/candidate.js';
import { readSearchable } from '#kith/gallery/domain-cache.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { LiveRecallSampler } from '#kith/gallery/recall-live.js';
import { knowProbes, measureRecall, meetsTarget } from '#kith/gallery/recall-measure.js';
import { recallProbes } from '#kith/gallery/recall-probe.js';
import type { SearchPlan } from '#kith/gallery/search-answer.js';
import type { SearchIndex } from '#kith/gallery/search-choice.js';
import type { GalleryGenerator } from '../../bench/support/gallery-generator.js';
import { loadDomain } from '../../bench/support/gallery-load.js';
import { onServer, serverDatabase, type TestDatabase } from '../support/database.js';
import { ARCFACE } from '../support/embeddings.js';

const author = { who: 'test' };

onServer('recall on 6,000 faces', (server) => {
  let database: TestDatabase;
  let gallery: Gallery;
  let generator: GalleryGenerator;

  beforeAll(async () => {
    database = await serverDatabase('schema', server);
    gallery = await openGallery({ location: database.location, recallShare: 1 });
    ({ generator } = await loadDomain(gallery, 'large', ARCFACE, { faces: 6_000, persons: 700, seed: 11 }));
    await loadDomain(gallery, 'small', ARCFACE, { faces: 300, persons: 40, seed: 12 });
  }, 600_000);

  afterAll(async () => {
    await gallery?.close();
    await database?.drop();
  });

  it("gives a domain an index of its own, which its searches use and another domain's do not", async () => {
    expect(await gallery.rebuildIndex('large', { m: 16 })).toBe(true);
    const { plan, candidates } = await gallery.search(generator.probe('clustered'), 'large');
    expect(plan).toMatchObject({ kind: 'hnsw', index: 'domain' });
    expect(candidates.length).toBeGreaterThan(0);
    const { rows } = await gallery.database.query<{ plan: string }>({
      text: `select indexdef as plan from pg_indexes where indexname like 'face_embeddings_domain_%_idx' and indexdef like '%halfvec%'`,
    });
    expect(rows.length).toBe(1);
    expect((await gallery.search(generator.probe('clustered'), 'small')).plan).toEqual({ kind: 'exact' });
  });

  it('is chosen by probes, kept, and met by probes that the choice did not see', async () => {
    const report = await gallery.tune('large', { author, probes: 200 });
    expect(report.efSearch).not.toBeNull();
    expect(report.plan).toMatchObject({ kind: 'hnsw', index: 'domain' });
    expect(report.recall!.all.recallAt1).toBeGreaterThanOrEqual(0.99);
    expect(report.recall!.all.recallAt10).toBeGreaterThanOrEqual(0.985);
    expect(Object.keys(report.recall!.byKind).sort()).toEqual(['held-out', 'noise', 'outlier', 'stranger']);
    expect((await gallery.domain('large')).efSearch).toBe(report.efSearch);
    const { plan } = await gallery.search(generator.probe('clustered'), 'large');
    expect(plan).toEqual(report.plan);
  });

  it('fails its target at ef_search 5: the check can tell', async () => {
    const { domain, facts } = await readSearchable(gallery.database, 'large');
    const index: SearchIndex = { ...facts.index!, share: 1 };
    const probes = await recallProbes(gallery.database, domain, 200, 5);
    const known = await knowProbes(gallery.database, domain, probes, () => undefined);
    const poor = await measureRecall(gallery.database, domain, index, 5, known);
    expect(meetsTarget(poor.all)).toBe(false);
    const rich = await measureRecall(gallery.database, domain, index, 1000, known);
    expect(meetsTarget(rich.all)).toBe(true);
  });

  it('is not claimed for a small domain: that is searched exactly', async () => {
    const report = await gallery.tune('small', { author, probes: 40 });
    expect(report).toMatchObject({ plan: { kind: 'exact' }, efSearch: null, recall: null, meetsTarget: true });
  });

  it('is measured on live searches, and told by the health check', async () => {
    for (let n = 0; n < 3; n++) {
      await gallery.findMatches(generator.probe('clustered'), 'large');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const live = gallery.liveRecall.get('large')!;
    expect(live.comparisons + live.dropped).toBeGreaterThanOrEqual(3);
    expect(live.comparisons).toBeGreaterThanOrEqual(1);
    expect((await gallery.healthCheck()).index.detail).toMatch(/recall of large [01]\.\d{4} in \d+ searches/);
  });

  it('gives none to domains that do not need one', async () => {
    expect(await gallery.optimize()).toEqual([]);
  });
});

describe('the live sampler', () => {
  const candidate = (id: string, distance: number): Candidate => ({
    person: { id, name: id },
    distance,
    similarity: 1 - distance,
    confidence: null,
    imagePath: `${id}.jpg`,
    faceNumber: 1,
  });
  const hnsw: SearchPlan = { kind: 'hnsw', index: 'domain', efSearch: 100 };

  it('counts what the index missed', async () => {
    const sampler = new LiveRecallSampler(1);
    const [a, b] = [candidate('a', 0.1), candidate('b', 0.2)];
    sampler.offer({ domain: 'd', plan: hnsw, candidates: [b], repeat: async () => [a, b] });
    await sampler.settled();
    expect(sampler.recall.get('d')).toEqual({
      comparisons: 1,
      recallAt1: 0,
      recall: 0.5,
      wanted: 2,
      found: 1,
      dropped: 0,
    });
  });

  it('never counts an exact search, and leaves out what comes too thick', async () => {
    const sampler = new LiveRecallSampler(1);
    const repeat = () => new Promise<Candidate[]>((resolve) => setTimeout(resolve, 20, []));
    sampler.offer({ domain: 'd', plan: { kind: 'exact' }, candidates: [], repeat });
    expect(sampler.recall.size).toBe(0);
    for (let n = 0; n < 3; n++) sampler.offer({ domain: 'd', plan: hnsw, candidates: [], repeat });
    await sampler.settled();
    sampler.offer({ domain: 'd', plan: hnsw, candidates: [], repeat });
    expect(sampler.recall.get('d')).toMatchObject({ comparisons: 1, dropped: 3 });
  });

  it('draws its share', () => {
    const draws = [0.5, 0.05, 0.09];
    const sampler = new LiveRecallSampler(0.1, () => draws.shift()!);
    for (let n = 0; n < 3; n++) sampler.offer({ domain: 'd', plan: hnsw, candidates: [], repeat: async () => [] });
    // The second is compared, the third finds it under way.
    expect(sampler.recall.get('d')!.dropped).toBe(1);
  });
});
