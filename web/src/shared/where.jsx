// Where runs ran: their totals by country, on the map and as a table.

import { useState } from 'preact/hooks'
import { Section } from './figures.jsx'
import { UNKNOWN, count, duration, energy, mass, plain } from './format.js'
import { Table } from './table.jsx'
import { WorldMap } from './worldmap.jsx'

const MEASURES = {
  emissions_g: { title: 'CO2e', meaning: 'CO2e of the runs', text: mass },
  energy_j: { title: 'Energy', meaning: 'Energy of the runs', text: energy },
  runs: { title: 'Runs', meaning: 'Number of runs', text: count },
}
const isMetered = place => place.runs > place.unmetered
const figure = (place, measure) => (measure === 'runs' || isMetered(place) ? MEASURES[measure].text(place[measure]) : UNKNOWN)
const nameOf = place => (place.code ? plain(place.name, 60) : 'not known')

/** places: [{code, name, runs, energy_j, ...}], a code of null where nobody knows where the runs ran. */
export function Where({ places }) {
  const [measure, setMeasure] = useState('emissions_g')
  const known = places.filter(({ code }) => code)
  const shown = known.filter(place => measure === 'runs' || isMetered(place))
  return (
    <Section id="where" title="Where they ran" note="By country. What a run is priced with may be finer: a state, a grid, a region of a cloud.">
      {known.length > 0 && (
        <>
          <div class="tabs" role="group" aria-label="What the map shows">
            {Object.entries(MEASURES).map(([key, each]) => (
              <button key={key} type="button" aria-pressed={measure === key} onClick={() => setMeasure(key)}>{each.title}</button>
            ))}
          </div>
          <WorldMap
            label={`${MEASURES[measure].meaning} by country; the table below has the figures`}
            of={shown.map(place => ({ code: place.code, name: nameOf(place), value: place[measure] }))} text={told(known)}
          />
        </>
      )}
      <Table
        caption="Runs by country"
        rowKey={place => place.code ?? ''}
        first={{ key: 'emissions', down: true }}
        columns={[
          { key: 'name', title: 'Country', kind: 'named', sort: nameOf, cell: place => <bdi>{nameOf(place)}</bdi> },
          { key: 'runs', title: 'Runs', right: true, sort: place => place.runs, cell: place => count(place.runs) },
          { key: 'duration', title: 'Time', right: true, sort: place => place.duration_s, cell: place => duration(place.duration_s) },
          { key: 'energy', title: 'Energy', right: true, sort: place => place.energy_j, cell: place => figure(place, 'energy_j') },
          { key: 'emissions', title: 'CO2e', right: true, sort: place => place.emissions_g, cell: place => figure(place, 'emissions_g') },
        ]}
        rows={places}
      />
    </Section>
  )
}

const told = places => {
  const by = new Map(places.map(place => [place.code, place]))
  return code => {
    const place = by.get(code)
    if (!place) return `${code}: no run`
    const runs = `${nameOf(place)}: ${count(place.runs)} ${place.runs === 1 ? 'run' : 'runs'}`
    return isMetered(place) ? `${runs}, ${figure(place, 'energy_j')}, ${figure(place, 'emissions_g')} CO2e` : `${runs} of unknown energy`
  }
}
