// The arithmetic of the calculator's page: devices x hours x place, on the tables that calculator/page.py writes. It is
// the same as carbonwatch.calculator.estimate(), to which a test holds it.

import { energy, energyRange, mass, massRange, power, rounded } from './format.js'

const J_PER_KWH = 3.6e6
const UNTUNED = 0.7 // powermodel.UNTUNED
const ONSET = 0.04
const BURST = 0.7
const LOG_MAX = 709
// [of runs shorter than so many seconds, the error of a year's mean taken for their time]; model.Run.time_error
const TIME_ERRORS = [[8 * 3600, 0.45], [86400 * 2, 0.35], [86400 * 14, 0.25], [Infinity, 0.15]]

export const KINDS = ['gpu', 'tpu', 'cpu', 'instance']
export const MOST_DEVICES = 50

/** What the form begins with. */
export const START = {
  devices: [{ kind: 'gpu', name: 'A100 SXM4 80GB', count: '1', utilisation: '', vcpus: '' }],
  hours: '100', place: 'gcp/europe-west1', g_per_kwh: '', pue: '', ram_gb: '', offset: '', offset_by: 'bought',
}

/** The row of a device; undefined where there is none. */
export function find(table, kind, name) {
  if (kind !== 'cpu') return table[kind]?.find(row => row.name === name)
  const row = table.cpu.find(([each]) => each === name)
  return row && { name: row[0], tdp_w: row[1], cores: row[2], made_kg: row[3], part: row[4] }
}

export const names = (table, kind) => table[kind].map(row => (kind === 'cpu' ? row[0] : row.name))

/** What is wrong with a form, by the name of its field: {'hours': 'between 0.001 and 1000000', 'count-0': ...}. */
export function problems(table, form) {
  const found = {}
  const check = (field, text, limit, { needed = false, whole = false, percent = false } = {}) => {
    const [least, most] = table.limits[limit].map(end => (percent ? end * 100 : end))
    const value = asNumber(text)
    if (value === null && needed) found[field] = `Give a number from ${said(least)} to ${said(most)}.`
    else if (value !== null && !(value >= least && value <= most)) found[field] = `It must be a number from ${said(least)} to ${said(most)}.`
    else if (value !== null && whole && !Number.isInteger(value)) found[field] = 'It must be a whole number.'
  }
  form.devices.forEach((device, n) => {
    const row = find(table, device.kind, device.name)
    if (!row) found[`name-${n}`] = 'The tables do not know it: choose one that the list has.'
    check(`count-${n}`, device.count, 'count', { needed: true, whole: true })
    check(`utilisation-${n}`, device.utilisation, 'utilisation', { percent: true })
    if (row && device.kind === 'instance' && row.vcpus === null) check(`vcpus-${n}`, device.vcpus, 'vcpus', { needed: true })
  })
  if (!form.devices.length || form.devices.length > MOST_DEVICES) found.devices = `There must be 1 to ${MOST_DEVICES} lines.`
  check('hours', form.hours, 'hours', { needed: true })
  check('ram_gb', form.ram_gb, 'ram_gb')
  check('pue', form.pue, 'pue')
  check('g_per_kwh', form.g_per_kwh, 'g_per_kwh')
  check('offset', form.offset, 'offset', { percent: true })
  if (form.place && !table.places.some(({ code }) => code === form.place)) found.place = 'The tables do not know this place.'
  return found
}

/** A form without problems as numbers; null is not known. */
export function asInput(form) {
  const share = text => (asNumber(text) === null ? null : asNumber(text) / 100)
  return {
    devices: form.devices.map(({ kind, name, count, utilisation, vcpus }) => ({
      kind, name, count: asNumber(count), utilisation: share(utilisation), vcpus: asNumber(vcpus),
    })),
    hours: asNumber(form.hours), place: form.place, g_per_kwh: asNumber(form.g_per_kwh), pue: asNumber(form.pue),
    ram_gb: asNumber(form.ram_gb) ?? 0, offset: share(form.offset) ?? 0, offset_by: form.offset_by,
  }
}

/** The estimate of an input without problems. */
export function calculate(table, input) {
  const place = table.places.find(({ code }) => code === input.place) ?? table.world
  const grid = input.g_per_kwh === null ? place : given(input.g_per_kwh)
  const pue = input.pue ?? place.pue
  const found = input.devices.map(device => modelOf(table, device))
  const parts = found.flatMap(({ parts: of }, n) => of.map(part => [part, input.devices[n].utilisation]))
  let made_kg = sum(found.map(model => model.made_kg))
  if (input.ram_gb > 0) {
    parts.push([times(table.memory.part, input.ram_gb), input.devices[0].utilisation])
    made_kg += table.memory.made_kg * input.ram_gb
  }
  const duration_s = input.hours * 3600
  const time_error = TIME_ERRORS.find(([limit_s]) => duration_s < limit_s)[1]
  const energies = parts.map(([part, use]) => energyOf(table, part, use, input.hours))
  const emissions = energies.map(figure => price(figure, grid, time_error))
  const energy_j = added(energies)
  const emissions_g = scaled(added(emissions), pue)
  const embodied_g = (made_kg * 1000 * input.hours) / table.hours_of_life
  const answer = {
    devices: found.map((model, n) => `${input.devices[n].count} × ${model.label}`).join(', '),
    input, place, grid, pue, time_error, energy_j, emissions_g,
    hours: input.hours,
    power_w: energy_j.value / duration_s,
    components: byComponent(parts, energies),
    water_l: (energy_j.value / J_PER_KWH) * place.wue_l_per_kwh,
    offset: offsetOf(input, emissions_g.value),
    embodied_g: { value: embodied_g, low: embodied_g / 2, high: embodied_g * 2 },
    cleanest_of_provider: place.is_cloud ? cleanest(table, input, energy_j, place.code.split('/')[0]) : null,
    cleanest_of_all: cleanest(table, input, energy_j),
  }
  return { ...answer, calculation: calculation(answer), latex: latex(table, answer), bibtex: bibtex(table, answer) }
}

/** The same energy in every country and region of a cloud, for the map and its table. */
export function elsewhere(table, { energy_j, time_error, pue }) {
  return table.places.filter(({ is_cloud, code }) => is_cloud || code.length === 2).map(place => ({
    ...place, emissions_g: scaled(price(energy_j, place, time_error), pue),
  }))
}

/** What electricity is made of in a place's country, or the world where there is no place; null where it is not known. */
export function mixOf(table, place) {
  const { fuels, sources, license, of } = table.mixes
  const code = place.country ?? 'world'
  if (!of[code]) return null
  const [year, source, ...shares] = of[code]
  const { name } = table.places.find(each => each.code === place.country) ?? table.world
  return { name, year, license, source: sources[source], shares: fuels.map(([fuel, label], n) => ({ fuel, label, share: shares[n] })) }
}

export function equivalents(table, { value, low, high }) {
  return table.equivalents.map(row => {
    const grams = Number(row.grams_co2e)
    return { ...row, amount: { value: value / grams, low: low / grams, high: high / grams } }
  })
}

/** The same calculation on the command line. */
export function command({ input }) {
  const words = input.devices.map(({ kind, name, count, utilisation, vcpus }) => {
    const words = [`${count} x ${name}`, vcpus === null ? '' : `${plain(vcpus, 10)} vcpus`, utilisation === null ? '' : `${plain(utilisation * 100, 10)}%`]
    return `--${kind} ${quoted(words.filter(Boolean).join(' @ '))}`
  })
  const option = (name, value) => (value === null || value === '' || value === 0 ? [] : [`--${name} ${value}`])
  return [
    'carbonwatch calc', ...words, `--hours ${plain(input.hours, 10)}`, ...option('region', input.place),
    ...(input.g_per_kwh === null ? [] : [`--g-per-kwh ${plain(input.g_per_kwh, 10)}`]),
    ...option('pue', input.pue && plain(input.pue, 10)), ...option('ram', input.ram_gb && plain(input.ram_gb, 10)),
    ...(input.offset ? [`--offset ${plain(input.offset * 100, 10)} --offset-by ${input.offset_by}`] : []), '--save',
  ].join(' ')
}

/** A number with so many significant digits, no exponent and no zeros at its end. */
export function plain(value, digits = 6) {
  return rounded(value, digits).toFixed(10).replace(/\.?0+$/, '')
}

// --- power

function modelOf(table, { kind, name, count, vcpus }) {
  const row = find(table, kind, name)
  const one = kind === 'instance' ? instance(table, row, row.vcpus ?? vcpus) : { parts: [row.part], made_kg: row.made_kg }
  return { label: labelOf(kind, name, row, vcpus), parts: one.parts.map(part => times(part, count)), made_kg: one.made_kg * count }
}

/** A device as it was named: the table's name of a processor is a key, and a family does not tell its size. */
function labelOf(kind, name, row, vcpus) {
  if (kind === 'cpu') return name.trim()
  return row.vcpus === null && vcpus !== null ? `${row.name} with ${plain(vcpus, 10)} vCPU${vcpus === 1 ? '' : 's'}` : row.name
}

/** A share of a host; all of it where it is as large as that. */
function instance(table, row, vcpus) {
  const [threads, ram_gb] = [vcpus * row.threads_per_vcpu, vcpus * row.gb_per_vcpu]
  const isShare = threads < row.host_threads
  const parts = [isShare ? times(row.thread, threads) : row.host, times(row.gb, ram_gb)]
  if (row.boards) parts.push(row.boards)
  const share = Math.min(1, threads / row.host_threads)
  return { parts, made_kg: share * row.host_made_kg + table.memory.made_kg * ram_gb + row.boards_made_kg }
}

const times = ([component, idle_w, full_w, ...rest], factor) => [component, idle_w * factor, full_w * factor, ...rest]

function energyOf(table, [, idle_w, full_w, shape, low, high, unknownLow, unknownHigh, usual], use, hours) {
  const height = heightOf(shape === null ? null : table.shapes[shape], use ?? usual)
  const value = (idle_w + (full_w - idle_w) * height) * hours * 3600
  const [down, up] = use === null ? [unknownLow, unknownHigh] : [low, high]
  return { value, low: value * (1 + down), high: value * (1 + up) }
}

function heightOf(shape, use) {
  return shape === null ? use : curve(shape, use) / curve(shape, 1)
}

function curve([a, b, c], load) {
  const spread = a * (1 - Math.exp(-load / ONSET)) + b * load + c * load ** 4
  return UNTUNED * load ** BURST + (1 - UNTUNED) * spread
}

function byComponent(parts, energies) {
  const found = {}
  parts.forEach(([[component]], n) => { found[component] = added([found[component], energies[n]].filter(Boolean)) })
  return found
}

// --- emissions

const given = g_per_kwh => ({ g_per_kwh, low: g_per_kwh, high: g_per_kwh, basis: 'given', name: 'own figure', year: null, key: null, source: 'a figure of your own' })

/** Joules x g/kWh in grams: relative errors in quadrature on the log scale, as model.price(). */
function price(energy_j, grid, time_error) {
  const value = (energy_j.value / J_PER_KWH) * grid.g_per_kwh
  if (value <= 0) return { value: 0, low: 0, high: (energy_j.high / J_PER_KWH) * grid.high }
  const time = grid.basis === 'given' ? 0 : Math.log1p(time_error)
  const down = quadrature(energy_j.value, energy_j.low, grid.g_per_kwh, grid.low, time)
  const up = quadrature(energy_j.high, energy_j.value, grid.high, grid.g_per_kwh, time)
  return { value, low: value / down, high: value * up }
}

function quadrature(energyHigh, energyLow, gridHigh, gridLow, time) {
  if (energyLow <= 0 || gridLow <= 0) return Infinity
  return Math.exp(Math.min(Math.hypot(Math.log(energyHigh) - Math.log(energyLow), Math.log(gridHigh) - Math.log(gridLow), time), LOG_MAX))
}

function offsetOf({ offset: share, offset_by: by }, emissions_g) {
  return share ? { share, by, offset_g: emissions_g * share, net_g: emissions_g - emissions_g * share } : null
}

function cleanest(table, input, energy_j, provider) {
  let best = null
  for (const place of table.places) {
    if (!place.is_cloud || (provider && !place.code.startsWith(`${provider}/`))) continue
    const emissions_g = (energy_j.value / J_PER_KWH) * place.g_per_kwh * (input.pue ?? place.pue)
    const isBetter = !best || emissions_g < best.emissions_g || (emissions_g === best.emissions_g && place.code < best.code)
    if (isBetter) best = { code: place.code, name: place.name, emissions_g }
  }
  return best
}

// --- words

function calculation({ energy_j, hours, pue, grid, emissions_g }) {
  const energy_kwh = energy_j.value / J_PER_KWH
  return `${plain((energy_kwh / hours) * 1000)} W × ${plain(hours, 10)} h = ${plain(energy_kwh)} kWh; `
    + `${plain(energy_kwh)} kWh × ${plain(pue)} (PUE) × ${plain(grid.g_per_kwh / 1000)} kg CO2e/kWh = ${plain(emissions_g.value / 1000)} kg CO2e`
}

function latex(table, { devices, hours, place, grid, power_w, energy_j, emissions_g, pue, offset }) {
  const isOwn = grid.basis === 'given'
  const somewhere = place.is_cloud ? 'region' : place.country ? 'place' : 'nowhere'
  const sentences = [isOwn && !place.is_cloud ? 'private' : somewhere, 'energy', isOwn ? 'own' : 'grid', 'emissions']
  if (offset) sentences.push(offset.by)
  const values = {
    devices: escaped(devices), time: `${plain(hours, 10)}~hour${hours === 1 ? '' : 's'}`, region: escaped(place.code), place: place.tex,
    power: escaped(power(power_w)), energy: escaped(energy(energy_j.value)), energy_range: escaped(energyRange(energy_j)),
    g: plain(grid.g_per_kwh), year: String(grid.year ?? 'a year that is not known'), source: grid.cited ?? '', pue: plain(pue),
    mass: escaped(mass(emissions_g.value)), mass_range: escaped(massRange(emissions_g)),
    offset: plain((offset?.share ?? 0) * 100), offset_mass: escaped(mass(offset?.offset_g ?? 0)),
  }
  return `${sentences.map(name => table.tex[name].replace(/<(\w+)>/g, (_, value) => values[value])).join('\n')}\n`
}

function bibtex(table, { grid }) {
  return ['carbonwatch', ...(grid.key ? [grid.key] : [])].map(key => table.bibtex[key]).join('\n')
}

/** Of names and figures of the tables alone, as reports/_tex.py does it for any text. */
const SIGNS = { _: '\\_', '%': '\\%', '&': '\\&', '#': '\\#', '×': '$\\times$', '–': '--', µ: '$\\mu$', '<': '\\textless{}' }
const escaped = text => text.replace(/[_%&#×–µ<]/g, sign => SIGNS[sign])

// --- numbers

const asNumber = text => {
  const trimmed = String(text ?? '').trim().replace(',', '.')
  return trimmed === '' ? null : /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : NaN
}
const said = value => value.toLocaleString('en', { maximumFractionDigits: 6 })
const sum = values => values.reduce((total, value) => total + value, 0)
const added = figures => ({ value: sum(figures.map(f => f.value)), low: sum(figures.map(f => f.low)), high: sum(figures.map(f => f.high)) })
const scaled = ({ value, low, high }, factor) => ({ value: value * factor, low: low * factor, high: high * factor })
const quoted = text => (/^[\w./-]+$/.test(text) ? text : `"${text}"`)
