// Runs beside each other.

import { Bars } from './bars.jsx'
import { COMPONENTS, Energy, Mass, Section, State, Text } from './figures.jsx'
import { UNKNOWN, duration, energy, mass, percent, plain, power, when } from './format.js'
import { Table } from './table.jsx'

const PER = [
  { key: 'emissions', title: 'Emissions (CO2e)', of: run => run.emissions_g, text: mass },
  { key: 'energy', title: 'Energy', of: run => run.energy_j, text: energy },
]

/** runs: their pages' data; link(run): where one of them leads to. */
export function Compare({ runs, link }) {
  const label = run => <a href={link(run)}><bdi>{plain(run.project, 60)}</bdi> {when(run.started_s)}</a>
  const components = [...new Set(runs.flatMap(run => run.components.map(({ component }) => component)))]
  return (
    <>
      {PER.map(({ key, title, of, text }) => (
        <Section key={key} id={`compare-${key}`} title={title}>
          <Bars
            label={`${title} of each run`}
            legend={key === 'energy' ? components.map(name => ({ name: COMPONENTS[name], colour: name })) : undefined}
            rows={runs.map(run => ({
              key: run.id, label: label(run), value: of(run).value ?? 0, low: of(run).low, high: of(run).high,
              text: of(run).value == null ? UNKNOWN : text(of(run).value),
              parts: key === 'energy' && of(run).value != null ? run.components.map(part => ({
                name: part.component + part.quality, colour: part.component, value: part.parts[run.headline].energy_j.value,
              })) : undefined,
            }))}
          />
        </Section>
      ))}
      <Section id="compare-all" title="Side by side">
        <Table
          caption="The runs side by side"
          first={{ key: 'emissions', down: false }}
          columns={[
            { key: 'project', title: 'Run', kind: 'wide', sort: run => run.project, cell: label },
            { key: 'state', title: 'State', sort: run => run.state, cell: run => <State of={run.state} /> },
            { key: 'duration', title: 'Duration', right: true, sort: run => run.duration_s, cell: run => duration(run.duration_s) },
            { key: 'energy', title: 'Energy', right: true, sort: run => run.energy_j.value, cell: run => <Energy figure={run.energy_j} /> },
            { key: 'power', title: 'Mean power', right: true, sort: watts, cell: run => (watts(run) == null ? UNKNOWN : power(watts(run))) },
            { key: 'emissions', title: 'CO2e', right: true, sort: run => run.emissions_g.value, cell: run => <Mass figure={run.emissions_g} /> },
            { key: 'measured', title: 'Measured', right: true, sort: run => run.measured, cell: run => percent(run.measured) },
            { key: 'cpu', title: 'Processor', kind: 'wide', cell: run => <Text of={run.facts.cpu_model ?? UNKNOWN} most={80} /> },
            { key: 'command', title: 'Command', kind: 'wide', cell: run => <code><Text of={run.command} most={150} /></code> },
          ]}
          rows={runs}
        />
      </Section>
    </>
  )
}

const watts = run => (run.energy_j.value == null || !run.duration_s ? null : run.energy_j.value / run.duration_s)
