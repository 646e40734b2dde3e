// A chart over time, drawn by uPlot on a canvas: lines with the area below them, or bars.

import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { energy, instants, mass, number, power, unitOf, whenExactly } from './format.js'
import { theme, token } from './theme.js'

const HEIGHT = 260
const UNITS = { energy, mass, power, undefined: value => number(value) }

/**
 * times: seconds of Unix time. series: [{label, values, colour, band?: [lows, highs]}], null where nothing is known.
 * unit: energy, mass or power, of joules, grams or watts; none: the figures as they are.
 * onZoom(from_s, to_s): somebody has marked a time; (null, null) to see all again.
 */
export function Series({ label, times, series, unit, kind = 'line', onZoom, height = HEIGHT, from_s, to_s }) {
  const place = useRef(null)
  const dark = theme.value
  useEffect(() => {
    if (!times.length) return undefined
    const chart = drawn(place.current, { times, series, unit, kind, onZoom, height, from_s, to_s })
    const resized = new ResizeObserver(([{ contentRect }]) => chart.setSize({ width: contentRect.width, height: height * scale() }))
    resized.observe(place.current)
    return () => {
      resized.disconnect()
      chart.destroy()
    }
  }, [times, series, dark])
  if (!times.length) return <p class="empty">No values over time were kept.</p>
  return (
    <figure class="series">
      <div ref={place} role="img" aria-label={`${label}. ${described(series, unit)}`} />
      {onZoom && <p class="note">Mark a time with the mouse to see it larger; a double click shows all again.</p>}
    </figure>
  )
}

/** The chart in words, for who does not see it. */
function described(series, unit) {
  const text = UNITS[unit]
  return series.map(({ label, values }) => {
    let [least, most, sum, count] = [Infinity, -Infinity, 0, 0]
    for (const value of values) {
      if (value == null) continue
      least = Math.min(least, value)
      most = Math.max(most, value)
      sum += value
      count += 1
    }
    return count ? `${label}: from ${text(least)} to ${text(most)}, ${text(sum / count)} on average.` : `${label}: nothing.`
  }).join(' ')
}

function drawn(place, { times, series, unit, kind, onZoom, height, from_s, to_s }) {
  const faint = { stroke: token('line'), width: 1 }
  const text = UNITS[unit]
  // uPlot reads a size of whole pixels alone
  const axis = { stroke: token('muted'), font: `${Math.round(12 * scale())}px ${token('font')}`, grid: faint, ticks: faint }
  const bars = kind === 'bars' ? uPlot.paths.bars({ size: [0.8, 60], align: 1 }) : undefined
  // a band is two lines that are not drawn, with the colour between them
  const bands = []
  const lines = [{ label: 'At', value: (_, at) => (at == null ? '–' : whenExactly(at)) }]
  const columns = [times]
  for (const each of series) {
    const colour = token(each.colour)
    if (each.band) {
      bands.push({ series: [lines.length + 1, lines.length], fill: `${colour}33` })
      lines.push(hidden(`${each.label}, least`), hidden(`${each.label}, most`))
      columns.push(...each.band)
    }
    lines.push({
      label: each.label, stroke: colour, width: 1.5, paths: bars, fill: bars ? `${colour}b0` : undefined,
      points: { show: !bars && times.length < 3 }, value: (_, value) => (value == null ? '–' : text(value)),
    })
    columns.push(each.values)
  }
  return new uPlot({
    width: place.clientWidth,
    height: height * scale(),
    padding: [null, 36 * scale(), null, null], // half of a date beyond the last tick
    series: lines,
    bands,
    scales: {
      x: { time: true, range: (_, least, most) => around(from_s ?? least, to_s ?? most) },
      y: { range: (_, least, most) => [Math.min(0, least), most > 0 ? most * 1.08 : 1] },
    },
    axes: [
      { ...axis, values: (chart, times_s, _, __, step_s) => instants(times_s, step_s, chart.scales.x.min), space: 76 * scale(), size: 46 * scale(), lineGap: 1.3 },
      { ...axis, ...inUnit(unit, columns.slice(1)), size: 76 * scale() },
    ],
    cursor: { drag: { x: !!onZoom, y: false, setScale: false }, bind: { dblclick: () => () => onZoom?.(null, null) } },
    select: { show: !!onZoom, left: 0, top: 0, width: 0, height: 0 },
    legend: { live: true, markers: { width: 2 } },
    hooks: { setSelect: [chart => zoomed(chart, onZoom)] },
  }, columns, place)
}

/** The axis's values in the unit of the largest: 0.5, 1, 1.5 kWh. */
function inUnit(unit, values) {
  if (!unit) return { values: (_, ticks) => ticks.map(tick => String(Number(tick.toPrecision(4)))) }
  const [name, size] = unitOf(unit, values.reduce((most, column) => column.reduce((a, b) => Math.max(a, b ?? 0), most), 0))
  const steps = [-3, -2, -1, 0, 1, 2, 3].flatMap(power => [1, 2, 5].map(step => step * 10 ** power * size))
  return { incrs: steps, values: (_, ticks) => ticks.map(tick => `${Number((tick / size).toPrecision(6))} ${name}`) }
}

/** How large the page's type is: charts grow with it. */
const scale = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16

const around = (least, most) => (most > least ? [least, most] : [least - 1800, least + 1800])

const hidden = label => ({ label, show: true, width: 0, points: { show: false }, stroke: 'transparent', class: 'u-hidden' })

function zoomed(chart, onZoom) {
  const { left, width } = chart.select
  if (!onZoom || width < 4) return
  onZoom(chart.posToVal(left, 'x'), chart.posToVal(left + width, 'x'))
}
