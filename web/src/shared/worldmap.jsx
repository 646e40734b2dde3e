// The countries of the world, coloured by a figure. Whoever can't see it has the same in the table beside it.

import world from './world.json'

/** values: {FR: 1.2, ...}; text(code): what a country says; chosen: the code of one that is marked; onChoose(code)? */
export function WorldMap({ label, values, text, chosen, onChoose }) {
  const known = Object.values(values).sort((a, b) => a - b)
  const colour = code => (values[code] == null ? 'var(--land)' : mixed(rank(known, values[code])))
  const props = code => ({
    fill: colour(code),
    class: code === chosen ? 'chosen' : '',
    onClick: onChoose && values[code] != null ? () => onChoose(code) : undefined,
  })
  return (
    <figure class="map">
      <svg viewBox={`0 0 ${world.width} ${world.height}`} role="img" aria-label={label}>
        {Object.entries(world.paths).map(([code, d]) => <path key={code} d={d} {...props(code)}><title>{text(code)}</title></path>)}
        {Object.entries(world.dots).map(([code, [cx, cy]]) => (
          <circle key={code} cx={cx} cy={cy} r="3" {...props(code)}><title>{text(code)}</title></circle>
        ))}
      </svg>
      <figcaption>
        <span>least</span><i class="scale" aria-hidden="true" /><span>most</span>
      </figcaption>
    </figure>
  )
}

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
