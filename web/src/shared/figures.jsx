// Figures as people read them: a value, its interval, and how good it is.

import { useState } from 'preact/hooks'
import { UNKNOWN, count, energy, energyRange, mass, massRange, plain } from './format.js'

export const COMPONENTS = { cpu: 'CPU', gpu: 'GPU', ram: 'RAM', disk: 'disk', rest: 'rest', system: 'system' }

const MEANINGS = {
  measured: 'Counted by the hardware',
  modelled: 'Calculated from what the hardware did',
  assumed: 'Taken from a table or a setting',
}

export function Quality({ of }) {
  return <span class={`badge ${of}`} title={MEANINGS[of]}>{of}</span>
}

export function State({ of }) {
  return <span class={`state ${of}`}>{of}</span>
}

/** The first of a run's tags, and how many more there are. */
export function Tags({ of, most = 8 }) {
  return (
    <>
      {of.slice(0, most).map(tag => <bdi key={tag} class="tag">{plain(tag, 60)}</bdi>)}
      {of.length > most && <small> and {count(of.length - most)} more</small>}
    </>
  )
}

/** 12 g CO2e, and below it 8.1–18 g: {value, low, high}, null where it is not known. */
export function Mass({ figure }) {
  return <Value text={figure.value == null ? UNKNOWN : mass(figure.value, 2)} range={figure.low == null ? '' : massRange(figure, 2)} />
}

export function Energy({ figure }) {
  return <Value text={energy(figure.value)} range={figure.low == null ? '' : energyRange(figure)} />
}

function Value({ text, range }) {
  return (
    <span class="value">
      <b>{text}</b>
      {range && range !== text && <small title="About 90 % of what it may be lies in between">{range}</small>}
    </span>
  )
}

/** A name or a text from anywhere: as text, cut where it is long, and all of it for who asks. */
export function Text({ of, most = 300 }) {
  const [whole, setWhole] = useState(false)
  const text = plain(of)
  if (text.length <= most) return <bdi>{text}</bdi>
  return (
    <>
      <bdi>{whole ? text : plain(text, most)}</bdi>{' '}
      <button type="button" class="quiet" onClick={() => setWhole(!whole)}>{whole ? 'Less' : `All ${count(text.length)} signs`}</button>
    </>
  )
}

/** One number with what it is, for the top of a page. */
export function Tile({ label, children, note }) {
  return (
    <div class="tile">
      <dt>{label}</dt>
      <dd>{children}{note && <small>{note}</small>}</dd>
    </div>
  )
}

export function Tiles({ children }) {
  return <dl class="tiles">{children}</dl>
}

/** A part of a page with its heading. */
export function Section({ id, title, note, children }) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {note && <p class="note">{note}</p>}
      {children}
    </section>
  )
}
