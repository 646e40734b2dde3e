// Horizontal bars with their interval, or made of parts; each says its figure in words beside it.

/**
 * rows: [{key, label, text, value, low?, high?, colour?, parts?: [{name, value, colour}], mark?}], largest as wide as there is room.
 * An interval is a thin line over the bar.
 */
export function Bars({ label, rows, legend }) {
  const most = Math.max(...rows.map(({ value, high }) => Math.max(value, high ?? 0)), Number.MIN_VALUE)
  const width = value => `${(Math.max(0, value) / most) * 100}%`
  return (
    <div class="bars">
      {legend && <Legend of={legend} />}
      <ul aria-label={label}>
        {rows.map(row => (
          <li key={row.key ?? row.label} class={row.mark ? 'marked' : ''}>
            <span class="name">{row.label}</span>
            <span class="bar" aria-hidden="true">
              {(row.parts ?? [row]).map(({ name, value, colour = 'accent' }) => (
                <i key={name} class="fill" style={{ width: width(value), background: `var(--${colour})` }} />
              ))}
              {row.high > row.low && (
                <i class="whisker" style={{ left: width(row.low), width: width(row.high - row.low) }} />
              )}
            </span>
            <span class="amount">{row.text}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}

/** What the colours are: [{name, colour}]. */
export function Legend({ of }) {
  return (
    <ul class="legend">
      {of.map(({ name, colour, note }) => (
        <li key={name}><i style={{ background: `var(--${colour})` }} aria-hidden="true" />{name}{note && <small> {note}</small>}</li>
      ))}
    </ul>
  )
}
