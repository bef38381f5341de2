import type { FastifyRequest } from 'fastify';
import { KithError } from '../errors.js';

/** Fields of a query, a form or a JSON body: what they hold is checked where they are read. */
export type Fields = Readonly<Record<string, unknown>>;

export interface PhotoRequest {
  readonly photos: readonly Uint8Array[];
  readonly fields: Fields;
}

/** Where a JSON body may hold its photos: Kith's names, then those of DeepFace's own API. */
const ONE_PHOTO = ['image', 'photo', 'img'];
const TWO_PHOTOS: readonly (readonly [string, string])[] = [
  ['image1', 'image2'],
  ['photo1', 'photo2'],
  ['img1', 'img2'],
];

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fields of a JSON body. Throws `request-body`. */
export function jsonFields({ body }: Pick<FastifyRequest, 'body'>): Fields {
  if (isObject(body) && !(body instanceof Uint8Array)) return body;
  throw new KithError('request-body', { problem: 'it must be a JSON object, sent as application/json' });
}

/** Bytes of a base64 text or of a `data:` URL. Throws `parameter-value`, which does not repeat the text. */
function decodeBase64(value: unknown, name: string): Uint8Array {
  const text = typeof value === 'string' ? value.replace(/^data:[^,]{0,100};base64,/, '').trim() : null;
  const bytes = text === null ? null : Buffer.from(text, 'base64');
  // Node skips what is not base64; then fewer bytes come out than the text's length promises.
  const promised = text === null ? 0 : Math.floor((text.replace(/=+$/, '').length * 3) / 4);
  if (bytes !== null && bytes.length === promised) return bytes;
  throw new KithError('parameter-value', { name, allowed: 'a photo in base64', given: 'something else' });
}

function photosOfJson(body: Fields): Uint8Array[] {
  const { images } = body;
  if (Array.isArray(images)) return images.map((image) => decodeBase64(image, 'images'));
  const pair = TWO_PHOTOS.find(([first, second]) => first in body && second in body);
  const names = pair ?? ONE_PHOTO.filter((name) => name in body).slice(0, 1);
  return names.map((name) => decodeBase64(body[name], name));
}

/** The form's reader throws bare errors for a form that is cut or that is none. */
async function readForm(request: FastifyRequest): Promise<PhotoRequest> {
  try {
    return await readParts(request);
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error) throw error;
    throw new KithError('request-body', { problem: 'the multipart form is cut or malformed' }, { cause: error });
  }
}

async function readParts(request: FastifyRequest): Promise<PhotoRequest> {
  const photos: Uint8Array[] = [];
  const fields: Record<string, unknown> = Object.create(null);
  for await (const part of request.parts()) {
    if (part.type === 'file') photos.push(await part.toBuffer());
    else fields[part.fieldname] = part.value;
  }
  return { photos, fields };
}

async function readBody(request: FastifyRequest): Promise<PhotoRequest> {
  if (request.isMultipart()) return readForm(request);
  const { body } = request;
  if (body instanceof Uint8Array) return { photos: body.length === 0 ? [] : [body], fields: {} };
  return isObject(body) ? { photos: photosOfJson(body), fields: body } : { photos: [], fields: {} };
}

/**
 * The photos of a request and its fields over its query: multipart, raw bytes of any type, or JSON with base64.
 * Throws `request-photo-missing` unless there are as many photos as `expected`.
 */
export async function readPhotos(request: FastifyRequest, expected: 1 | 2): Promise<PhotoRequest> {
  const { photos, fields } = await readBody(request);
  const given = photos.filter((photo) => photo.length > 0).length;
  if (given !== expected || photos.length !== expected)
    throw new KithError('request-photo-missing', {
      given: given === 0 ? 'no photo' : given === 1 ? 'one photo' : `${given} photos`,
      expected: expected === 1 ? 'one' : 'two',
    });
  return { photos, fields: { ...(request.query as Fields), ...fields } };
}
