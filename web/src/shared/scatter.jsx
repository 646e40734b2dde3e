// Points in two dimensions, each a link with its name: plain SVG.

import { number } from './format.js'

const COLOURS = ['own', 'cpu', 'gpu', 'ram', 'others', 'disk', 'system', 'rest']
const [WIDTH, HEIGHT] = [720, 380]
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 20, 30, 50]

/** points: [{name, x, y, href?, group?}]; points of a group have its colour. */
export function Scatter({ label, xLabel, yLabel, points }) {
  if (!points.length) return <p class="empty">No run has both values.</p>
  const groups = [...new Set(points.map(point => point.group ?? ''))]
  const colour = group => `var(--${COLOURS[groups.indexOf(group ?? '') % COLOURS.length]})`
  const [x, y] = [ends(points.map(point => point.x)), ends(points.map(point => point.y))]
  const across = value => LEFT + ((value - x[0]) / (x[1] - x[0])) * (WIDTH - LEFT - RIGHT)
  const up = value => HEIGHT - BOTTOM - ((value - y[0]) / (y[1] - y[0])) * (HEIGHT - TOP - BOTTOM)
  return (
    <figure class="scatter">
      {groups.length > 1 && (
        <ul class="legend">{groups.map(group => <li key={group}><i style={{ background: colour(group) }} /><bdi>{group || 'no set'}</bdi></li>)}</ul>
      )}
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label={`${label}, ${points.length} points`}>
        {ticks(...y).map(value => (
          <g key={value}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={up(value)} y2={up(value)} />
            <text x={LEFT - 8} y={up(value) + 4} text-anchor="end">{text(value)}</text>
          </g>
        ))}
        {ticks(...x).map((value, i) => (
          <g key={value} class={i % 2 ? 'minor' : ''}>
            <line class="grid" x1={across(value)} x2={across(value)} y1={TOP} y2={HEIGHT - BOTTOM} />
            <text x={across(value)} y={HEIGHT - BOTTOM + 18} text-anchor="middle">{text(value)}</text>
          </g>
        ))}
        <text x={LEFT} y={16}>{yLabel}</text>
        <text x={WIDTH - RIGHT} y={HEIGHT - 8} text-anchor="end">{xLabel}</text>
        {points.map(point => (
          <a key={point.name} href={point.href} aria-label={`${point.name}: ${number(point.x)}, ${number(point.y)}`}>
            <circle cx={across(point.x)} cy={up(point.y)} r={6} fill={colour(point.group)}>
              <title>{`${point.name}: ${number(point.x)}, ${number(point.y)}`}</title>
            </circle>
          </a>
        ))}
      </svg>
    </figure>
  )
}

/** A little more than from the least to the most. */
function ends(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1
  return [low - margin, high + margin]
}

/** Round values in between. */
function ticks(low, high, most = 6) {
  const rough = (high - low) / most
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map(factor => factor * power).find(each => each >= rough)
  const found = []
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(n * step)
  return found
}

const text = value => String(Number(value.toPrecision(6)))
