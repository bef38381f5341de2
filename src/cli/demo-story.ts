import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { loadConfig } from '../config/config.js';
import type { Config } from '../config/schema.js';
import { datastoreFileName } from '../datastore/file-name.js';
import { type WritableRow, writeDatastore } from '../datastore/write.js';
import { parseSpaceName } from '../embedding/space.js';
import { migrate } from '../migration/migrate.js';
import type { RecognizeAnswer } from '../recognition/answer.js';
import { EXAMPLE_PHOTO, SAMPLE_PERSONS, samplePhoto, samplePortrait } from '../server/sample-photos.js';
import { openServices, type Services } from '../server/services.js';
import { candidateLines } from './candidate-table.js';
import type { Terminal } from './terminal.js';

/** What each step did, for `--json`. */
interface StoryStep {
  readonly step: string;
  readonly seconds: number;
  readonly result: unknown;
}

/** Everything of the demo lies in one temporary folder, the database too: nothing of the user's is touched. */
function demoConfig(folder: string): Config {
  return Object.freeze({
    ...loadConfig(),
    data: join(folder, 'data'),
    storage: join(folder, 'storage'),
    enabled: null,
    dualMode: null,
  });
}

const ENROLLED = 'demo';
const MOVED = 'moved';
/** Somebody of the sample gallery is on the first, nobody on the second. */
const STRANGERS = 'sample1.jpg';

class Story {
  readonly #terminal: Terminal;
  readonly #config: Config;
  readonly #services: Services;
  readonly #folder: string;
  readonly steps: StoryStep[] = [];

  constructor(terminal: Terminal, config: Config, services: Services, folder: string) {
    this.#terminal = terminal;
    this.#config = config;
    this.#services = services;
    this.#folder = folder;
  }

  async tell(): Promise<void> {
    const photos = join(this.#folder, 'photos');
    await this.#step('Cut portraits out of sample photos', () => this.#cutPortraits(photos));
    await this.#step(`Enrol them into the domain "${ENROLLED}"`, () => this.#enrol(photos));
    await this.#step('Write a datastore as DeepFace does, a pickle file', () => this.#writeDatastore());
    await this.#step(`Migrate it into the domain "${MOVED}"`, () => this.#migrate());
    await this.#step('Recognise a changed copy of a photo: resized, rotated, re-compressed', () => this.#recognise());
    await this.#step('Show it a photo of strangers', () => this.#recogniseStrangers());
  }

  async #step(step: string, work: () => Promise<unknown>): Promise<void> {
    this.#terminal.signal.throwIfAborted();
    this.#terminal.say(`${this.steps.length + 1}. ${step}`);
    const started = performance.now();
    const result = await work();
    const seconds = (performance.now() - started) / 1000;
    this.steps.push({ step, seconds, result });
    this.#terminal.say(`   ${seconds.toFixed(1)} s`);
    this.#terminal.say();
  }

  #say(lines: Iterable<string>): void {
    for (const line of lines) this.#terminal.say(`   ${line}`);
  }

  async #cutPortraits(photos: string): Promise<unknown> {
    for (const person of SAMPLE_PERSONS) {
      await mkdir(join(photos, person.name), { recursive: true });
      await writeFile(join(photos, person.name, person.photo), await samplePortrait(person));
    }
    this.#say([`${SAMPLE_PERSONS.length} persons with invented names, a folder each, from three photos`]);
    return { persons: SAMPLE_PERSONS.length };
  }

  async #enrol(source: string): Promise<unknown> {
    const report = await this.#services.recognition.enrol({ domain: ENROLLED, source });
    this.#say([`${report.faces} faces of ${report.persons} persons; space ${report.space}`]);
    return report;
  }

  async #writeDatastore(): Promise<unknown> {
    const { domains } = await this.#services.recognition.stats({ domain: ENROLLED });
    const space = domains[0]?.space ?? '';
    const folder = join(this.#config.storage, MOVED);
    await mkdir(folder, { recursive: true });
    const path = join(folder, datastoreFileName(parseSpaceName(space)));
    const report = await writeDatastore(path, this.#rows());
    this.#say([`${report.rows} rows, ${report.bytes} bytes: ${report.path}`]);
    return report;
  }

  /** Rows as DeepFace would have made them: the image's path under its storage folder, the embedding, the box. */
  async *#rows(): AsyncGenerator<readonly WritableRow[]> {
    for (const person of SAMPLE_PERSONS) {
      const { faces } = await this.#services.recognition.embed(await samplePortrait(person));
      for (const { embedding, box } of faces) {
        const identity = `storage/${MOVED}/${person.name}/${person.photo}`;
        if (embedding !== undefined) yield [{ identity, hash: '', embedding, box }];
      }
    }
  }

  async #migrate(): Promise<unknown> {
    const { storage } = this.#config;
    const { signal } = this.#terminal;
    const reports = await migrate(await this.#services.gallery(), { storage, domains: [MOVED], signal });
    for (const report of reports)
      this.#say([
        'error' in report
          ? `failed: ${report.error.message}`
          : `${report.rows} rows: ${report.migrated} migrated, ${report.skipped.length} skipped, ${report.persons} persons`,
      ]);
    return reports;
  }

  async #recognise(): Promise<unknown> {
    const original = await readFile(samplePhoto(EXAMPLE_PHOTO));
    const changed = sharp(original).resize({ width: 1200 }).rotate(4, { background: '#888' }).jpeg({ quality: 55 });
    return this.#ask(await changed.toBuffer());
  }

  async #recogniseStrangers(): Promise<unknown> {
    return this.#ask(await readFile(samplePhoto(STRANGERS)));
  }

  async #ask(photo: Uint8Array): Promise<RecognizeAnswer> {
    const { signal } = this.#terminal;
    const answer = await this.#services.recognition.identify(photo, { domain: MOVED, topK: 2, signal });
    for (const [index, { verdict, candidates }] of answer.faces.entries()) {
      this.#say([`face ${index + 1}: ${verdict}`]);
      this.#say(candidateLines(candidates));
    }
    const { decode, faces, search, total } = answer.timings;
    const parts = `decode ${decode.toFixed(0)}, faces ${faces.toFixed(0)}, search ${search.toFixed(0)}`;
    this.#say([`${total.toFixed(0)} ms (${parts})`]);
    return answer;
  }
}

/** Plays the demo and cleans up behind itself; throws what a step throws. */
export async function tellStory(terminal: Terminal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kith-demo-'));
  try {
    const config = demoConfig(folder);
    const location = { kind: 'embedded', folder: config.data } as const;
    await using services = await openServices(config, { schema: 'migrate', location });
    const story = new Story(terminal, config, services, folder);
    await story.tell();
    terminal.answer({ steps: story.steps }, () => ['That is the whole story. npm start begins yours: see README.md.']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
