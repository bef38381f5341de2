import { KithError } from '../errors.js';
import type { RecognitionOptions } from './options.js';
import type { Recognition } from './recognition.js';

/**
 * Opens the service. Neither the database nor an engine is needed for that: both are reached for when first asked.
 *
 * @example
 * await using recognition = openRecognition(options);
 * const { faces } = await recognition.identify(await readFile('photo.jpg'), { domain: 'slovenia' });
 */
export function openRecognition(options: RecognitionOptions): Recognition {
  throw new KithError('inference-closed', {}, { cause: options });
}
