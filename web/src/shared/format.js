// Quantities as short text, the same as units.py writes them: a test holds one to the other.

const ENERGY = [['nJ', 1e-9], ['µJ', 1e-6], ['mJ', 1e-3], ['J', 1], ['kJ', 1e3], ['Wh', 3.6e3], ['kWh', 3.6e6], ['MWh', 3.6e9], ['GWh', 3.6e12]]
const MASS = [['pg', 1e-12], ['ng', 1e-9], ['µg', 1e-6], ['mg', 1e-3], ['g', 1], ['kg', 1e3], ['t', 1e6], ['kt', 1e9]]
const POWER = [['µW', 1e-6], ['mW', 1e-3], ['W', 1], ['kW', 1e3], ['MW', 1e6]]
const SHORT = [['µs', 1e-6], ['ms', 1e-3], ['s', 1]]
const VOLUME = [['nl', 1e-9], ['µl', 1e-6], ['ml', 1e-3], ['l', 1], ['m³', 1e3]]
const DAY_S = 86400
const LEAST = 0.001 // of the smallest unit; what is less is shown to be less, and not to be nothing

export const UNKNOWN = 'unknown'

export const energy = energy_j => scaled(energy_j, ENERGY)
export const mass = (mass_g, digits = 3) => scaled(mass_g, MASS, digits)
export const power = power_w => scaled(power_w, POWER)
export const volume = volume_l => scaled(volume_l, VOLUME)
export const energyRange = ({ low, high, value }) => range(low, high, value, ENERGY, 3)
export const massRange = ({ low, high, value }, digits = 3) => range(low, high, value, MASS, digits)

/** Seconds: 850 ms, 12.3 s, 4 min 05 s, 3 h 20 min, 2 d 4 h. */
export function duration(duration_s) {
  if (duration_s == null) return UNKNOWN
  if (duration_s < 59.95) return scaled(duration_s, SHORT)
  const seconds = Math.round(duration_s)
  const two = value => String(value).padStart(2, '0')
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`
}

/** Significant digits without an exponent: 0.0123, 4.57, 123, 45600. */
export function number(value, digits = 3) {
  if (value == null) return UNKNOWN
  if (value === 0) return '0'
  const shown = rounded(value, digits)
  return shown.toFixed(Math.max(0, digits - before(shown)))
}

/** To so many significant digits; of what is exactly between two the even one, as Python rounds: 26.25 is 26.2. */
export function rounded(value, digits) {
  const short = Number(value.toPrecision(digits))
  if (!/^\d\.?\d*5e/.test(Math.abs(value).toExponential(digits))) return short
  const [mantissa, exponent] = Math.abs(value).toExponential(60).split('e')
  const all = mantissa.replace('.', '')
  const isTie = /^50*$/.test(all.slice(digits)) && Number(all[digits - 1]) % 2 === 0
  return isTie ? Math.sign(value) * Number(`${all.slice(0, digits)}e${exponent - digits + 1}`) : short
}

/** How many: 99, 12 345. */
export const count = value => String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f')

/** A share with two digits: never 0 % of something, nor 100 % of less than all. */
export function percent(share) {
  if (share == null) return '–'
  if (share > 0 && share < 0.0001) return '<0.01 %'
  if (share >= 0.995 && share < 1) return '>99 %'
  return `${number(share * 100, 2)} %`
}

/** A date and time of day, of the reader's time zone. */
export function when(unix_s) {
  if (!unix_s) return UNKNOWN
  const at = new Date(unix_s * 1000)
  const two = value => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}

/** The same to the second. */
export const whenExactly = unix_s => `${when(unix_s)}${seconds(unix_s)}`

/** Times of an axis that is seen from an instant on: as much of each as their steps need, and the date where it is another one. */
export function instants(times_s, step_s, from_s = -Infinity) {
  let former
  return times_s.map(at => {
    const [day, time] = when(at).split(' ')
    if (step_s >= 28 * DAY_S) return day.slice(0, 7)
    if (step_s >= DAY_S) return day
    const date = day === former ? '' : `\n${day}`
    if (at >= from_s) former = day
    return `${time}${step_s >= 60 ? '' : seconds(at)}${date}`
  })
}

/** A unit and its size for an axis or a column, as the largest value wants it. */
export function unitOf(kind, value) {
  return fitting(value, { energy: ENERGY, mass: MASS, power: POWER }[kind], 3)
}

/** A text as a sentence of its own. */
export const sentence = text => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** A name as it can be shown: control and direction characters would change what stands beside it. */
export function plain(text, most = Infinity) {
  const shown = String(text ?? '').replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
  return shown.length > most ? `${shown.slice(0, most - 1)}…` : shown
}

function scaled(value, scale, digits = 3) {
  if (value == null) return UNKNOWN
  const [unit, size] = fitting(value, scale, digits)
  return `${atLeast(value / size, digits)} ${unit}`
}

const seconds = unix_s => `:${String(Math.floor(unix_s % 60)).padStart(2, '0')}`
const atLeast = (value, digits) => (value > 0 && value < LEAST ? `<${LEAST}` : number(value, digits))
const before = value => Number(Math.abs(value).toExponential(6).split('e')[1]) + 1

function fitting(value, scale, digits) {
  if (value === 0) return scale.find(([, size]) => size >= 1)
  // as it will be shown: 999.6 J are 1.00 kJ
  const large = scale.filter(([, size]) => Math.abs(Number(number(value / size, digits))) >= 1)
  return large.at(-1) ?? scale[0]
}

function range(low, high, value, scale, digits) {
  if (low == null || high == null) return UNKNOWN
  const [lowText, lowUnit] = near(low, value || high, scale, digits)
  const [highText, highUnit] = near(high, value || high, scale, digits)
  if (lowUnit !== highUnit) return `${lowText} ${lowUnit}–${highText} ${highUnit}`
  return `${lowText === highText ? lowText : `${lowText}–${highText}`} ${highUnit}`
}

/** In the unit of the other one, unless it would be lost in it or swell. */
function near(value, other, scale, digits) {
  const isNear = value === 0 || (other / 1000 <= value && value <= other * 1000)
  const [unit, size] = fitting(isNear ? other : value, scale, digits)
  return [atLeast(value / size, digits), unit]
}
