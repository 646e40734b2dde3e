// A chart over time, drawn by uPlot on a canvas: lines with the area below them, or bars.

import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { theme, token } from './theme.js'

const HEIGHT = 260

/**
 * times: seconds of Unix time. series: [{label, values, colour, band?: [lows, highs]}], null where nothing is known.
 * text(value): a value with its unit. onZoom(from_s, to_s): somebody has marked a time; (null, null) to see all again.
 */
export function Series({ label, times, series, text, kind = 'line', onZoom, height = HEIGHT, from_s, to_s }) {
  const place = useRef(null)
  const dark = theme.value
  useEffect(() => {
    if (!times.length) return undefined
    const chart = drawn(place.current, { times, series, text, kind, onZoom, height, from_s, to_s })
    const resized = new ResizeObserver(([{ contentRect }]) => chart.setSize({ width: contentRect.width, height }))
    resized.observe(place.current)
    return () => {
      resized.disconnect()
      chart.destroy()
    }
  }, [times, series, dark])
  if (!times.length) return <p class="empty">No values over time were kept.</p>
  return (
    <figure class="series">
      <div ref={place} role="img" aria-label={`${label}. ${described(series, text)}`} />
      {onZoom && <p class="note">Mark a time with the mouse to see it larger; a double click shows all again.</p>}
    </figure>
  )
}

/** The chart in words, for who does not see it. */
function described(series, text) {
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

function drawn(place, { times, series, text, kind, onZoom, height, from_s, to_s }) {
  const faint = { stroke: token('line'), width: 1 }
  const axis = { stroke: token('muted'), font: `12px ${token('font')}`, grid: faint, ticks: faint }
  const bars = kind === 'bars' ? uPlot.paths.bars({ size: [0.8, 60], align: 1 }) : undefined
  // a band is two lines that are not drawn, with the colour between them
  const bands = []
  const lines = [{}]
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
    height,
    series: lines,
    bands,
    scales: {
      x: { time: true, range: (_, least, most) => around(from_s ?? least, to_s ?? most) },
      y: { range: (_, least, most) => [Math.min(0, least), most > 0 ? most * 1.08 : 1] },
    },
    axes: [axis, { ...axis, values: (_, values) => values.map(text), size: 76 }],
    cursor: { drag: { x: !!onZoom, y: false, setScale: false }, bind: { dblclick: () => () => onZoom?.(null, null) } },
    select: { show: !!onZoom, left: 0, top: 0, width: 0, height: 0 },
    legend: { live: true, markers: { width: 2 } },
    hooks: { setSelect: [chart => zoomed(chart, onZoom)] },
  }, columns, place)
}

const around = (least, most) => (most > least ? [least, most] : [least - 1800, least + 1800])

const hidden = label => ({ label, show: true, width: 0, points: { show: false }, stroke: 'transparent', class: 'u-hidden' })

function zoomed(chart, onZoom) {
  const { left, width } = chart.select
  if (!onZoom || width < 4) return
  onZoom(chart.posToVal(left, 'x'), chart.posToVal(left + width, 'x'))
}
