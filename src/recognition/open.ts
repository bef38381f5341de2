import type { RecognitionOptions } from './options.js';
import type { Recognition } from './recognition.js';
import { RecognitionService } from './recognition-service.js';

/**
 * Opens the service. Neither the database nor an engine is needed for that: both are reached for when first asked.
 *
 * @example
 * await using recognition = openRecognition(options);
 * const { faces } = await recognition.identify(await readFile('photo.jpg'), { domain: 'slovenia' });
 */
export const openRecognition = (options: RecognitionOptions): Recognition => new RecognitionService(options);
