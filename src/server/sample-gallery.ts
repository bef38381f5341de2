import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import type { EnrolReport } from '../recognition/enrol.js';
import { SAMPLE_PERSONS, samplePortrait } from './sample-photos.js';
import type { Services } from './services.js';

export const SAMPLE_DOMAIN = 'sample';

type Progress = 'none' | 'started' | 'done';

// Kept beside the database, so that a sample gallery that was emptied stays empty and one cut short is finished.
const noteOf = (config: Config): string => join(config.data, 'sample-gallery');

async function readNote(config: Config): Promise<Progress> {
  const text = await readFile(noteOf(config), 'utf8').catch(() => '');
  return text === 'started' || text === 'done' ? text : 'none';
}

async function isWanted(config: Config, services: Services): Promise<boolean> {
  if (!config.sampleGallery) return false;
  const gallery = await services.gallery();
  if (gallery.database.kind !== 'embedded') return false;
  switch (await readNote(config)) {
    case 'done':
      return false;
    case 'started':
      return true;
    case 'none':
      return (await gallery.domains()).length === 0;
  }
}

/**
 * On the first start with an empty embedded database, enrols the sample gallery; null when there is nothing to do.
 * Cut short, it is finished by the next start.
 */
export async function ensureSampleGallery(
  config: Config,
  services: Services,
  signal: AbortSignal,
): Promise<EnrolReport | null> {
  if (!(await isWanted(config, services))) return null;
  await writeFile(noteOf(config), 'started');
  const source = SAMPLE_PERSONS.map((person) => ({
    person: person.name,
    path: `${SAMPLE_DOMAIN}/${person.name}/${person.photo}`,
    bytes: () => samplePortrait(person),
  }));
  const report = await services.recognition.enrol({ domain: SAMPLE_DOMAIN, source, signal });
  await writeFile(noteOf(config), 'done');
  return report;
}
