import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { curlLine } from '#kith/server/welcome.js';

it.each([
  ['sample', '/srv/kith/sample3.jpg'],
  ['Ljubljana & okolica', "/home/o'neil/my photos/$HOME.jpg"],
])('the curl line for %s survives a shell', (domain, photo) => {
  const line = curlLine('http://127.0.0.1:5001', domain, photo);
  const words = execFileSync('sh', ['-c', `printf '%s\\n' ${line.replace(/^curl /, '')}`], { encoding: 'utf8' });
  expect(words.trim().split('\n')).toEqual([
    '-s',
    '--data-binary',
    `@${photo}`,
    `http://127.0.0.1:5001/api/v1/recognize?domain=${encodeURIComponent(domain)}`,
  ]);
});
