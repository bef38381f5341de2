import { describe, expect, it } from 'vitest';
import { Metrics } from '#kith/ops/metrics.js';

const open = () => new Metrics({ version: '1.2.3', processMetrics: false });

describe('metrics', () => {
  it('counts and times what it is told', async () => {
    const metrics = open();
    metrics.observeRequest({ method: 'POST', route: '/api/v1/recognize', status: 200, seconds: 0.3 });
    metrics.observeSearch('slovenia', 'dual', 0.0015);
    metrics.observeDetect('s', 0.04);
    metrics.observeEmbed('s', 0.05);
    metrics.countError('domain-unknown');
    metrics.countShadow('slovenia', 'agreed');
    metrics.countShadowDropped('slovenia');
    metrics.countReloadFailure('slovenia');
    metrics.countRollback('slovenia', 'automatic');
    const text = await metrics.text();
    expect(text).toContain(
      'kith_request_seconds_bucket{le="0.5",method="POST",route="/api/v1/recognize",status="200"} 1',
    );
    expect(text).toContain(
      'kith_request_seconds_bucket{le="0.2",method="POST",route="/api/v1/recognize",status="200"} 0',
    );
    expect(text).toContain('kith_search_seconds_bucket{le="0.002",domain="slovenia",mode="dual"} 1');
    expect(text).toContain('kith_detect_seconds_sum{space="s"} 0.04');
    expect(text).toContain('kith_embed_seconds_count{space="s"} 1');
    expect(text).toContain('kith_errors_total{code="domain-unknown"} 1');
    expect(text).toContain('kith_shadow_comparisons_total{domain="slovenia",class="agreed"} 1');
    expect(text).toContain('kith_shadow_dropped_total{domain="slovenia"} 1');
    expect(text).toContain('kith_datastore_reload_failures_total{domain="slovenia"} 1');
    expect(text).toContain('kith_rollbacks_total{domain="slovenia",cause="automatic"} 1');
    expect(text).toContain('version="1.2.3"');
  });

  it('keeps recall as a ratio and as two counters, so that a rate can be taken', async () => {
    const metrics = open();
    expect(metrics.recallOf('d')).toBeNull();
    metrics.countRecall('d', 10, 10);
    metrics.countRecall('d', 8, 10);
    expect(metrics.recallOf('d')).toBe(0.9);
    const text = await metrics.text();
    expect(text).toContain('kith_search_recall{domain="d"} 0.9');
    expect(text).toContain('kith_search_recall_hits_total{domain="d"} 18');
    expect(text).toContain('kith_search_recall_asked_total{domain="d"} 20');
  });

  it('takes the totals of sampled searches at a scrape, each event once', async () => {
    const metrics = open();
    let totals = { domain: 'd', found: 9, wanted: 10 };
    metrics.watch({ recall: async () => [totals] });
    await metrics.text();
    await metrics.text();
    totals = { domain: 'd', found: 18, wanted: 20 };
    const text = await metrics.text();
    expect(text).toContain('kith_search_recall_hits_total{domain="d"} 18');
    expect(text).toContain('kith_search_recall_asked_total{domain="d"} 20');
    expect(text).toContain('kith_search_recall{domain="d"} 0.9');
  });

  it('asks states at a scrape, and a failing source does not silence the others', async () => {
    const metrics = open();
    metrics.watch({
      queue: () => ({ waiting: 3, running: 1, limit: 64 }),
      pool: () => {
        throw new Error('closed');
      },
      ready: () => true,
      bulk: () => [{ kind: 'migration', domain: 'd', done: 5, total: 9 }],
      domains: async () => [
        { domain: 'd', mode: 'dual', persons: 2, faces: 5, shadowAgreement: 0.998, lastMigration: 1_700_000_000 },
      ],
      indexes: async () => [{ index: 'face_embeddings_hnsw', bytes: 4096, valid: false }],
    });
    const text = await metrics.text();
    expect(text).toContain('kith_inference_queue_waiting 3');
    expect(text).toContain('kith_ready 1');
    expect(text).toContain('kith_scrape_failures_total{source="pool"} 1');
    expect(text).toContain('kith_shadow_agreement{domain="d"} 0.998');
    expect(text).toContain('kith_last_migration_timestamp_seconds{domain="d"} 1700000000');
    expect(text).not.toContain('kith_datastore_age_seconds{');
    expect(text).toContain('kith_index_valid{index="face_embeddings_hnsw"} 0');
    expect(text).toContain('kith_bulk_rows_total{kind="migration",domain="d"} 9');
  });

  it('forgets what is gone and asks the database once for many scrapes', async () => {
    const metrics = open();
    let asked = 0;
    let running = true;
    metrics.watch({
      bulk: () => (running ? [{ kind: 'enrolment', domain: 'd', done: 1, total: 2 }] : []),
      domains: async () => {
        asked++;
        return [];
      },
    });
    expect(await metrics.text()).toContain('kith_bulk_rows_done{kind="enrolment"');
    running = false;
    expect(await metrics.text()).not.toContain('kith_bulk_rows_done{');
    expect(asked).toBe(1);
  });

  it('bounds the domains that it labels', async () => {
    const metrics = open();
    for (let n = 0; n < 3_000; n++) metrics.observeSearch(`guess-${n}`, 'pkl', 0.001);
    const text = await metrics.text();
    expect(text.match(/kith_search_seconds_count/g)).toHaveLength(2_001);
    expect(text).toContain('kith_search_seconds_count{domain="other",mode="pkl"} 1000');
  });
});
