// The same work in other places: a map of countries, and the regions of clouds.

import { useState } from 'preact/hooks'
import { Bars } from './bars.jsx'
import { Mass, Section } from './figures.jsx'
import { mass, number, plain } from './format.js'
import { Table } from './table.jsx'
import { WorldMap } from './worldmap.jsx'

const SHOWN = 8

/** places: what `elsewhere` of reports/_page.py gives; here: the figure of where it ran. */
export function Elsewhere({ places, here, note }) {
  const [kind, setKind] = useState('countries')
  const countries = places.filter(place => !place.is_cloud)
  const clouds = places.filter(place => place.is_cloud)
  const shown = kind === 'countries' ? countries : clouds.filter(place => kind === 'clouds' || place.code.startsWith(`${kind}/`))
  const providers = [...new Set(clouds.map(place => place.code.split('/')[0]))]
  return (
    <Section id="elsewhere" title="The same work elsewhere" note={note ?? 'The same energy at each place’s mean of a year, with the same overhead of the data centre.'}>
      <WorldMap
        label="Emissions of the same work by country; the table below has the figures"
        of={countries.map(place => ({ code: place.code, name: place.name, value: place.emissions_g.value }))}
        text={told(countries)}
      />
      <div class="tabs" role="group" aria-label="Kind of place">
        {['countries', 'clouds', ...providers].map(name => (
          <button key={name} type="button" aria-pressed={kind === name} onClick={() => setKind(name)}>
            {{ countries: 'Countries', clouds: 'All clouds' }[name] ?? name}
          </button>
        ))}
      </div>
      <Ends places={shown} here={here} />
      <details>
        <summary>All {shown.length} places</summary>
        <Table
          caption="Emissions of the same work"
          rowKey={place => place.code}
          first={{ key: 'emissions', down: false }}
          columns={[
            { key: 'name', title: 'Place', kind: 'wide', sort: place => place.name, cell: place => `${plain(place.name)} (${place.code})` },
            { key: 'emissions', title: 'CO2e', right: true, sort: place => place.emissions_g.value, cell: place => <Mass figure={place.emissions_g} /> },
            { key: 'g', title: 'g CO2e/kWh', right: true, sort: place => place.g_per_kwh, cell: place => number(place.g_per_kwh) },
            { key: 'year', title: 'Year', right: true, sort: place => place.year, cell: place => place.year ?? '–' },
          ]}
          rows={shown}
        />
      </details>
    </Section>
  )
}

/** The cleanest and the dirtiest, and where it ran between them. */
function Ends({ places, here }) {
  const sorted = [...places].sort((a, b) => a.emissions_g.value - b.emissions_g.value)
  const ends = sorted.length > 2 * SHOWN ? [...sorted.slice(0, SHOWN), ...sorted.slice(-SHOWN)] : sorted
  const rows = ends.map(place => ({
    key: place.code, label: plain(place.name), value: place.emissions_g.value, text: mass(place.emissions_g.value, 2),
    low: place.emissions_g.low, high: place.emissions_g.high,
  }))
  if (here?.value != null) {
    rows.push({ key: 'here', label: 'as it was', value: here.value, text: mass(here.value, 2), mark: true, colour: 'others' })
    rows.sort((a, b) => a.value - b.value)
  }
  return <Bars label="Emissions of the same work: the least and the most" rows={rows} />
}

const told = countries => {
  const by = new Map(countries.map(place => [place.code, place]))
  return code => {
    const place = by.get(code)
    return place ? `${place.name}: ${mass(place.emissions_g.value, 2)} CO2e at ${number(place.g_per_kwh)} g/kWh` : `${code}: not known`
  }
}
