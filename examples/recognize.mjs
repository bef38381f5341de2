// Who is on a photo? Asks a running service: node examples/recognize.mjs photo.jpg sample [http://127.0.0.1:5001]
import { readFile } from 'node:fs/promises';

const [photo, domain, address = 'http://127.0.0.1:5001'] = process.argv.slice(2);
if (photo === undefined || domain === undefined) throw new Error('give a photo and a domain');

const form = new FormData();
form.append('photo', new Blob([await readFile(photo)]), 'photo');
form.append('domain', domain);
const answer = await fetch(`${address}/api/v1/recognize`, { method: 'POST', body: form });
const body = await answer.json();
// A fault is a problem document (RFC 9457) with a stable code.
if (!answer.ok) throw new Error(`${body.code}: ${body.detail}`);
for (const { verdict, candidates } of body.faces) console.log(verdict, candidates[0]?.person.name ?? '');
