/** Copies the libraries the page ships from node_modules to static/vendor/, with their licences and hashes: `npm run vendor`. */

import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const TARGET = join(ROOT, 'static', 'vendor');

// A language costs nothing until an answer uses it; these are the ones people paste into a report's chat.
const LANGUAGES = [
  'bash', 'cpp', 'css', 'diff', 'go', 'java', 'javascript', 'json', 'python', 'r', 'rust', 'sql', 'typescript', 'xml', 'yaml',
];

/** @type {Record<string, (string | [string, string])[]>} package to its files, kept by their base name or another */
const SHIPPED = {
  // Under this name TypeScript finds the types of marked.esm.js; no browser asks for them.
  marked: ['lib/marked.esm.js', ['lib/marked.d.ts', 'marked.esm.d.ts'], 'LICENSE'],
  '@highlightjs/cdn-assets': [
    'es/core.min.js',
    ...LANGUAGES.map((name) => `es/languages/${name}.min.js`),
    'LICENSE',
  ],
};

const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
/** @type {Record<string, object>} */
const record = {};

await rm(TARGET, { recursive: true, force: true });
for (const [name, files] of Object.entries(SHIPPED)) {
  const source = join(ROOT, 'node_modules', name);
  const { version, license } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'));
  const { version: locked, integrity } = lock.packages[`node_modules/${name}`];
  if (version !== locked) throw new Error(`${name} is installed as ${version}, locked as ${locked}: run npm ci`);
  const folder = `${name.replace('@', '').replace('/', '-')}@${version}`;
  await mkdir(join(TARGET, folder), { recursive: true });
  /** @type {Record<string, string>} */
  const hashes = {};
  for (const entry of files) {
    const [file, kept] = Array.isArray(entry) ? entry : [entry, basename(entry)];
    const bytes = await readFile(join(source, file));
    await writeFile(join(TARGET, folder, kept), bytes);
    hashes[kept] = `sha384-${createHash('sha384').update(bytes).digest('base64')}`;
  }
  record[folder] = { package: name, version, license, integrity, files: hashes };
}
await writeFile(join(TARGET, 'VENDOR.json'), `${JSON.stringify(record, null, 2)}\n`);
