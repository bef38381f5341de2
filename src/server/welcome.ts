import type { EnrolReport } from '../recognition/enrol.js';
import { SAMPLE_DOMAIN } from './sample-gallery.js';
import { EXAMPLE_PHOTO, samplePhoto } from './sample-photos.js';

/** A word for a POSIX shell, whatever it holds. */
const quote = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** One line that recognises a photo when it is pasted into a shell. */
export function curlLine(address: string, domain: string, photo: string): string {
  const url = `${address}/api/v1/recognize?domain=${encodeURIComponent(domain)}`;
  return `curl -s --data-binary ${quote(`@${photo}`)} ${quote(url)}`;
}

interface Welcome {
  readonly address: string;
  /** Where the gallery is, without a secret; null while the database does not answer. */
  readonly database: string | null;
  readonly sample: EnrolReport | null;
  readonly domains: readonly string[];
}

/** What the person who started the service sees: where it is, what is in it, what to try. */
export function* welcome({ address, database, sample, domains }: Welcome): Generator<string> {
  if (sample !== null) {
    yield `Enrolled a sample gallery: ${sample.faces} faces of ${sample.persons} persons with invented names, domain "${SAMPLE_DOMAIN}",`;
    yield 'from photos inside the package of the bundled engine.';
    yield `Empty it with: npx kith person erase --domain ${SAMPLE_DOMAIN} --all`;
    yield '';
  }
  yield `Kith is at ${address} (${database ?? 'the database does not answer'}); its API: ${address}/docs`;
  if (database === null) {
    yield 'Domains with a datastore are served; the database is tried again with every request.';
    return;
  }
  const [first] = domains;
  if (domains.includes(SAMPLE_DOMAIN)) {
    yield 'Recognise a sample photo from another terminal:';
    yield '';
    yield curlLine(address, SAMPLE_DOMAIN, samplePhoto(EXAMPLE_PHOTO));
  } else if (first !== undefined) {
    yield 'Recognise a photo from another terminal:';
    yield '';
    yield curlLine(address, first, 'photo.jpg');
  } else yield 'There is no domain yet: npx kith enroll <folder> --domain <name>, or npx kith migrate --all';
}
