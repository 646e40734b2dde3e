// What electricity is made of: a bar in parts, and each part in words below it.

import { percent, plain } from './format.js'

/** of: what `mix` of reports/_page.py gives; null where it is not known. */
export function Mix({ of }) {
  if (!of) return <p class="note">What electricity is made of there is not known.</p>
  const parts = of.shares.filter(({ share }) => share > 0)
  return (
    <figure class="mix">
      <div class="mix-bar" aria-hidden="true">
        {parts.map(({ fuel, label, share }) => <i key={fuel} class={fuel} style={{ flexGrow: share }} title={`${label} ${percent(share)}`} />)}
      </div>
      <ul class="legend" aria-label={`What electricity in ${of.name} was made of in ${of.year}`}>
        {parts.map(({ fuel, label, share }) => <li key={fuel}><i class={fuel} aria-hidden="true" />{label} <b>{percent(share)}</b></li>)}
      </ul>
      <figcaption class="note">{plain(of.name)} as a whole in {of.year}, imports left out. {plain(of.source)}, {of.license}.</figcaption>
    </figure>
  )
}
