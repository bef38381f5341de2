import { FAULTS } from '../errors.js';
import type { DocumentedRoute } from './openapi.js';

const escapeText = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign] ?? sign);
/** Text with `code` in backticks. */
const prose = (text: string): string => escapeText(text).replace(/`([^`]+)`/g, '<code>$1</code>');

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}
code,pre{font:14px/1.5 ui-monospace,monospace;background:#f2f2f5;border-radius:4px}code{padding:.1em .3em}pre{padding:.8rem;overflow:auto}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #ddd}
h3{margin:1.6rem 0 .2rem;font:600 16px ui-monospace,monospace}.method{color:#06c;text-transform:uppercase}
@media(prefers-color-scheme:dark){body{color:#e6e6ea;background:#17171a}code,pre{background:#26262b}td,th{border-color:#333}.method{color:#6bf}}`;

const BODY = {
  photo: 'a photo: raw bytes, multipart, or JSON <code>{"image":"&lt;base64&gt;"}</code>',
  'two-photos': 'two photos: multipart, or JSON <code>{"images":["&lt;base64&gt;","&lt;base64&gt;"]}</code>',
};

function describeBody(body: string | undefined): string {
  if (body === undefined) return '';
  const words = body === 'photo' || body === 'two-photos' ? BODY[body] : `JSON <code>${escapeText(body)}</code>`;
  return `<p>Takes ${words}.</p>`;
}

function describeRoute({ method, path, operation }: DocumentedRoute): string {
  const parameters = (operation.parameters ?? []).map(
    ({ name, required, description }) =>
      `<tr><td><code>${name}</code>${required ? '' : ' (optional)'}</td><td>${prose(description)}</td></tr>`,
  );
  const table = parameters.length === 0 ? '' : `<table>${parameters.join('')}</table>`;
  const heading = `<h3><span class="method">${method}</span> ${path}</h3>`;
  return `${heading}<p>${prose(operation.summary)}</p>${describeBody(operation.body)}${table}`;
}

const faultRows = (): string =>
  Object.entries(FAULTS)
    .map(([code, { status, message }]) => {
      return `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${escapeText(message)}</td></tr>`;
    })
    .join('');

/** One page without a script or a foreign address: the routes, and every fault that an answer may carry. */
export function docsPage(routes: readonly DocumentedRoute[], address: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kith: HTTP API</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head><body><h1>Kith: HTTP API</h1>
<pre>curl --data-binary @photo.jpg '${escapeText(address)}/api/v1/recognize?domain=sample'</pre>
<p>A machine reads the same in <a href="/openapi.json">/openapi.json</a>. Faults are problem documents (RFC 9457); their codes are below.
Every answer carries <code>x-request-id</code>: yours if you sent one.</p>
<h2>Addresses</h2>${routes.map(describeRoute).join('')}
<h2>Faults</h2><table><tr><th>code</th><th>status</th><th>message</th></tr>${faultRows()}</table></body></html>`;
}
