import type { FastifyInstance } from 'fastify';
import { KithError } from '../../errors.js';
import { allowDomain } from '../authorize.js';
import { DOMAIN_QUERY, type Operation, SPACE, THRESHOLD, TOP_K } from '../operation.js';
import { type Fields, readPhotos } from '../photo-request.js';
import { requiredDomain, space, threshold, topK } from '../request-field.js';
import type { ServiceState } from '../service-state.js';

const RECOGNIZE: Operation = {
  id: 'recognize',
  summary: 'Who is on the photo? Every face against one domain; no face is an empty list.',
  scope: 'recognise',
  parameters: [DOMAIN_QUERY, THRESHOLD, TOP_K],
  body: 'photo',
  answer: 'RecognizeAnswer',
};
const VERIFY: Operation = {
  id: 'verify',
  summary: 'Do two photos show one person? The largest face of each is compared.',
  scope: 'recognise',
  parameters: [THRESHOLD, SPACE],
  body: 'two-photos',
  answer: 'VerifyAnswer',
};
const DETECT: Operation = {
  id: 'detect',
  summary: 'Where are the faces of the photo?',
  scope: 'recognise',
  parameters: [SPACE],
  body: 'photo',
  answer: 'FacesAnswer',
};
const EMBED: Operation = {
  id: 'embed',
  summary: 'The faces of the photo with the embedding of each.',
  scope: 'recognise',
  parameters: [SPACE],
  body: 'photo',
  answer: 'FacesAnswer',
};
const SEARCH: Operation = {
  id: 'search',
  summary: "Which persons of the domain are nearest to an embedding of the domain's space?",
  scope: 'recognise',
  parameters: [DOMAIN_QUERY, THRESHOLD, TOP_K],
  body: 'SearchRequest',
  answer: 'SearchAnswer',
};

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');

/** The vector of a search: `{"embedding":[…]}`, or the array alone with the rest in the query. */
function embeddingOf(body: unknown): number[] {
  const given = typeof body === 'object' && body !== null && 'embedding' in body ? body.embedding : body;
  if (isNumbers(given)) return given;
  throw new KithError('parameter-value', {
    name: 'embedding',
    allowed: 'a JSON array of numbers',
    given: Array.isArray(given) ? `an array of ${given.length}` : 'something else',
  });
}

/** Everything that a photo or a vector can be asked. */
export function photoRoutes(app: FastifyInstance, state: ServiceState): void {
  app.post('/recognize', { config: { operation: RECOGNIZE } }, async (request) => {
    const { recognition } = state.services;
    const { photos, fields } = await readPhotos(request, 1);
    const domain = allowDomain(request, requiredDomain(fields));
    const call = { domain, threshold: threshold(fields), topK: topK(fields) };
    return recognition.identify(photos[0]!, { ...call, signal: request.cancel });
  });
  app.post('/verify', { config: { operation: VERIFY } }, async (request) => {
    const { recognition } = state.services;
    const { photos, fields } = await readPhotos(request, 2);
    const call = { threshold: threshold(fields), space: space(fields), signal: request.cancel };
    return recognition.verify(photos[0]!, photos[1]!, call);
  });
  for (const operation of [DETECT, EMBED])
    app.post(`/${operation.id}`, { config: { operation } }, async (request) => {
      const { recognition } = state.services;
      const { photos, fields } = await readPhotos(request, 1);
      const call = { space: space(fields), signal: request.cancel };
      return operation === DETECT ? recognition.detect(photos[0]!, call) : recognition.embed(photos[0]!, call);
    });
  app.post('/search', { config: { operation: SEARCH } }, async (request) => {
    const { recognition } = state.services;
    const values = embeddingOf(request.body);
    const body = Array.isArray(request.body) ? {} : (request.body as Fields);
    const fields = { ...(request.query as Fields), ...body };
    const domain = allowDomain(request, requiredDomain(fields));
    const call = { domain, threshold: threshold(fields), topK: topK(fields) };
    return recognition.search(values, { ...call, signal: request.cancel });
  });
}
