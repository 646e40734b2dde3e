// The countries of the world, coloured by a figure, and a list to choose one from without a mouse. Whoever can't see the
// map has the same in the table beside it.

import { useState } from 'preact/hooks'
import { plain } from './format.js'
import world from './world.json'

/** of: [{code, name, value}]; text(code): what a country says, also where it has no value. */
export function WorldMap({ label, of, text }) {
  const [wanted, choose] = useState('')
  const values = new Map(of.map(({ code, value }) => [code, value]))
  const known = [...values.values()].sort((a, b) => a - b)
  const chosen = values.has(wanted) ? wanted : ''
  const props = code => ({
    fill: values.has(code) ? mixed(rank(known, values.get(code))) : 'var(--land)',
    onClick: values.has(code) ? () => choose(code) : undefined,
  })
  const byName = [...of].sort((a, b) => a.name.localeCompare(b.name))
  return (
    <figure class="map">
      <svg viewBox={`0 0 ${world.width} ${world.height}`} role="img" aria-label={label}>
        {Object.entries(world.paths).map(([code, d]) => <path key={code} d={d} {...props(code)}><title>{text(code)}</title></path>)}
        {Object.entries(world.dots).map(([code, at]) => <Dot key={code} at={at} {...props(code)}><title>{text(code)}</title></Dot>)}
        {/* once more and on top, or its neighbours would hide half of its border */}
        {world.paths[chosen] && <path d={world.paths[chosen]} class="chosen" />}
        {world.dots[chosen] && <Dot at={world.dots[chosen]} class="chosen" />}
      </svg>
      <figcaption>
        <span>least</span><i class="scale" aria-hidden="true" /><span>most</span>
      </figcaption>
      <div class="fields">
        <label>
          Country
          <select value={chosen} onChange={event => choose(event.target.value)}>
            <option value="">none chosen</option>
            {byName.map(({ code, name }) => <option key={code} value={code}>{plain(name, 60)}</option>)}
          </select>
        </label>
      </div>
      <div role="status">{chosen && <p class="message good">{text(chosen)}</p>}</div>
    </figure>
  )
}

const Dot = ({ at: [cx, cy], children, ...props }) => <circle cx={cx} cy={cy} r="3" {...props}>{children}</circle>

/** Where it stands among all, from 0 to 1: a few large figures must not make all others alike. */
function rank(sorted, value) {
  let [low, high] = [0, sorted.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle] < value) low = middle + 1
    else high = middle
  }
  return low / Math.max(1, sorted.length - 1)
}

const mixed = share => `color-mix(in oklab, var(--map-high) ${Math.round(share * 100)}%, var(--map-low))`
