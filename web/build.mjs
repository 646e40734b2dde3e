// Builds the pages into ../src/carbonwatch/web, or into the folder given: one classic script a page, one style sheet
// for all, and the licences of what is inside. The result is committed, so that installing needs no Node.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const out = process.argv[2] ?? join(here, '..', 'src', 'carbonwatch', 'web')
const pages = join(here, 'src', 'pages')

// a file is the registration: src/pages/board.jsx becomes board.js
const entries = readdirSync(pages).filter(name => name.endsWith('.jsx')).map(name => join(pages, name))

await build({
  absWorkingDir: here,
  entryPoints: [...entries, { in: join(here, 'src', 'site.css'), out: 'site' }]
    .map(entry => (typeof entry === 'string' ? { in: entry, out: entry.slice(pages.length + 1, -4) } : entry)),
  outdir: out,
  bundle: true,
  minify: true,
  format: 'iife', // opened from the disk, a page may not fetch modules
  target: 'es2021',
  charset: 'utf8',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none', // they are in licences.txt
  logLevel: 'warning',
})

const inside = Object.keys(JSON.parse(readFileSync(join(here, 'package.json'))).dependencies)
inside.push('@preact/signals-core')
const licences = inside.sort().map(name => {
  const folder = join(here, 'node_modules', name)
  const { version, homepage, license } = JSON.parse(readFileSync(join(folder, 'package.json')))
  const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map(each => join(folder, each)).find(existsSync)
  const text = readFileSync(file, 'utf8').trim()
  return `${name} ${version} (${license})${homepage ? `, ${homepage}` : ''}\n\n${text}\n`
})
licences.push('Shapes of countries: Natural Earth, public domain, https://www.naturalearthdata.com\n')
mkdirSync(out, { recursive: true })
writeFileSync(join(out, 'licences.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`))
