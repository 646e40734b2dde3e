// Writes src/shared/world.json: the countries as SVG paths, in the Equal Earth projection, from Natural Earth's
// public-domain shapes (npm package world-atlas). Countries too small for the coarse shapes become dots.
// Run it with `npm run map` after an update of world-atlas.

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { geoCentroid, geoEqualEarth, geoPath } from 'd3-geo'
import { feature } from 'topojson-client'

const WIDTH = 1000
const require = createRequire(import.meta.url)
const here = new URL('.', import.meta.url)

// what Natural Earth calls otherwise than our table of countries
const NAMES = {
  'Bosnia and Herz.': 'BA', 'Br. Indian Ocean Ter.': 'IO', 'British Virgin Is.': 'VG', 'Cayman Is.': 'KY',
  'Central African Rep.': 'CF', 'Cook Is.': 'CK', 'Côte d\'Ivoire': 'CI', 'Dem. Rep. Congo': 'CD',
  'Dominican Rep.': 'DO', 'Eq. Guinea': 'GQ', 'Faeroe Is.': 'FO', 'Falkland Is.': 'FK', 'Fr. Polynesia': 'PF',
  'Heard I. and McDonald Is.': 'HM', 'Macedonia': 'MK', 'Marshall Is.': 'MH', 'N. Mariana Is.': 'MP',
  'Pitcairn Is.': 'PN', 'S. Geo. and the Is.': 'GS', 'S. Sudan': 'SS', 'Solomon Is.': 'SB', 'St-Barthélemy': 'BL',
  'St-Martin': 'MF', 'St. Kitts and Nevis': 'KN', 'St. Pierre and Miquelon': 'PM', 'St. Vin. and Gren.': 'VC',
  'Turks and Caicos Is.': 'TC', 'U.S. Virgin Is.': 'VI', 'W. Sahara': 'EH', 'Wallis and Futuna Is.': 'WF',
  'eSwatini': 'SZ', 'Antigua and Barb.': 'AG', 'Åland': 'AX', 'Fr. S. Antarctic Lands': 'TF', 'Vatican': 'VA',
  'United States of America': 'US', 'Somaliland': 'SO', 'N. Cyprus': 'CY', 'Ashmore and Cartier Is.': '',
  'Siachen Glacier': '', 'Indian Ocean Ter.': '', 'Antarctica': '', 'Russia': 'RU', 'Turkey': 'TR', 'Czechia': 'CZ',
  'São Tomé and Principe': 'ST', 'Congo': 'CG', 'Palestine': 'PS', 'Taiwan': 'TW', 'Hong Kong': 'HK', 'Macao': 'MO',
  'Saint Lucia': 'LC', 'Saint Helena': 'SH', 'Brunei': 'BN', 'Laos': 'LA', 'South Korea': 'KR', 'North Korea': 'KP',
  'Micronesia': 'FM', 'Cabo Verde': 'CV', 'Timor-Leste': 'TL', 'Gambia': 'GM', 'Bahamas': 'BS', 'Curaçao': 'CW',
  'Sint Maarten': 'SX', 'Vietnam': 'VN', 'Syria': 'SY', 'Iran': 'IR', 'Venezuela': 'VE', 'Bolivia': 'BO',
  'Tanzania': 'TZ', 'Moldova': 'MD', 'Kosovo': 'XK', 'Myanmar': 'MM',
}

const named = new Map(
  readFileSync(new URL('../../src/carbonwatch/data/countries.csv', here), 'utf8').split('\n').slice(1)
    .map(line => line.match(/^([A-Z]{2}),[^,]*,("[^"]*"|[^,]*)/)).filter(Boolean)
    .map(([, code, name]) => [name.replaceAll('"', ''), code]),
)

function shapes(detail) {
  const world = JSON.parse(readFileSync(require.resolve(`world-atlas/countries-${detail}.json`), 'utf8'))
  return feature(world, world.objects.countries).features
}

function code(country) {
  const { name } = country.properties
  const found = NAMES[name] ?? named.get(name)
  if (found === undefined) console.warn(`no code for ${name}`)
  return found
}

const coarse = shapes('110m').filter(country => country.properties.name !== 'Antarctica')
const projection = geoEqualEarth().fitWidth(WIDTH, { type: 'FeatureCollection', features: coarse })
const path = geoPath(projection).digits(0)
const [, [, height]] = geoPath(projection).bounds({ type: 'FeatureCollection', features: coarse })

const paths = {}
for (const country of coarse) {
  const of = code(country)
  if (of) paths[of] = (paths[of] ?? '') + path(country)
}
const dots = {}
for (const country of shapes('50m')) {
  const of = code(country)
  if (of && !paths[of]) dots[of] = projection(geoCentroid(country)).map(Math.round)
}
const sorted = object => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
const world = { width: WIDTH, height: Math.ceil(height), paths: sorted(paths), dots: sorted(dots) }
writeFileSync(new URL('../src/shared/world.json', here), `${JSON.stringify(world)}\n`)
