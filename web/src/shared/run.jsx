// A run's page: on the board, and in the HTML report. Its data is what reports/_page.py makes of a run.

import { useState } from 'preact/hooks'
import { Bars } from './bars.jsx'
import { Copy } from './copy.jsx'
import { Elsewhere } from './elsewhere.jsx'
import { Equivalents } from './equivalents.jsx'
import { COMPONENTS, Energy, Mass, Quality, Section, State, Tags, Text, Tile, Tiles } from './figures.jsx'
import { UNKNOWN, duration, energy, energyRange, mass, number, percent, plain, sentence, when } from './format.js'
import { Mix } from './mix.jsx'
import { Series } from './series.jsx'
import { Table } from './table.jsx'
import { Timeline } from './timeline.jsx'

const PARTS = [
  { name: 'own', colour: 'own', note: 'this program' },
  { name: 'idle', colour: 'idle', note: 'spent on nobody’s work' },
  { name: 'others', colour: 'others', note: 'other programs' },
]

/** zoom(from_s, to_s): power closer by, as the server has it; reports: {name: text}, or names and load(name). */
export function RunPage({ run, zoom, reports, load, children }) {
  return (
    <>
      <header>
        <div class="head">
          <h1><bdi>{plain(run.project, 200)}</bdi></h1>
          <span><State of={run.state} /> <Tags of={run.tags} most={24} /></span>
          {children}
        </div>
        <p class="note">
          {run.started_s > 0 && `${when(run.started_s)}, `}{duration(run.duration_s)}, run <code><bdi>{plain(run.id)}</bdi></code>
        </p>
        {run.command && <p><code><Text of={run.command} /></code></p>}
      </header>
      {run.texts.warnings.map(text => <p key={text} class="message"><Text of={text} /></p>)}
      <Headline run={run} />
      <Power run={run} zoom={zoom} />
      <Whose run={run} />
      {run.tasks.length > 0 && <Tasks run={run} />}
      <Intensity run={run} />
      <Equivalents of={run.equivalents} />
      {run.elsewhere.length > 0 && <Elsewhere places={run.elsewhere} here={run.emissions_g} />}
      {run.gaps.length > 0 && <Gaps run={run} />}
      <div class="pair">
        <Basis run={run} />
        <Facts run={run} />
      </div>
      <Reports texts={reports} load={load} key={run.id} />
    </>
  )
}

function Headline({ run }) {
  return (
    <section aria-label="Totals">
      <Tiles>
        <Tile label="Emissions (CO2e)"><Mass figure={run.emissions_g} /></Tile>
        <Tile label="Energy"><Energy figure={run.energy_j} /></Tile>
        <Tile label="Duration">{duration(run.duration_s)}</Tile>
        <Tile label="Measured" note={run.measured == null ? '' : 'of the energy, by counters'}>{percent(run.measured)}</Tile>
      </Tiles>
      <p class="note">{sentence(plain(run.texts.meaning))} Ranges hold about 90 % of what a figure may be.</p>
    </section>
  )
}

function Power({ run, zoom }) {
  const [near, setNear] = useState(null) // {from, to, power}: a part of the time, closer by
  const { times, series } = lined(near?.power ?? run.power)
  const see = async (from, to) => setNear(from == null ? null : { from, to, power: await zoom(from, to) })
  return (
    <Section id="power" title="Power over time">
      <Series label="Power of the machine by component" times={times} series={series} unit="power" onZoom={zoom && see} />
      {zoom && times.length > 1 && <Closer all={ends(run.power)} now={near ?? ends(run.power)} see={see} isNear={!!near} />}
    </Section>
  )
}

/** The same as marking a time with the mouse, for the keyboard. */
function Closer({ all, now: { from, to }, see, isNear }) {
  const width = to - from
  const moved = by => {
    const start = Math.min(Math.max(from + by, all.from), all.to - width)
    return see(start, start + width)
  }
  return (
    <div class="tabs" role="group" aria-label="Time that is shown">
      <button type="button" onClick={() => see(from + width / 4, to - width / 4)}>Closer</button>
      <button type="button" disabled={from <= all.from} onClick={() => moved(-width / 2)}>Earlier</button>
      <button type="button" disabled={to >= all.to} onClick={() => moved(width / 2)}>Later</button>
      <button type="button" disabled={!isNear} onClick={() => see(null, null)}>Show all of it again</button>
    </div>
  )
}

function ends(found) {
  const { times } = lined(found)
  return { from: times[0], to: times.at(-1) }
}

const lines = new WeakMap()

/** Components on one line of time, as uPlot wants them; made once, so that a chart is not drawn anew for nothing. */
function lined(found) {
  if (!lines.has(found)) lines.set(found, aligned(found))
  return lines.get(found)
}

function aligned(found) {
  const times = [...new Set(found.flatMap(each => each.times))].sort((a, b) => a - b)
  const at = new Map(times.map((time, place) => [time, place]))
  const spread = (each, name) => {
    if (each.times.length === times.length) return each[name]
    const values = new Array(times.length).fill(null)
    each.times.forEach((time, place) => { values[at.get(time)] = each[name][place] })
    return values
  }
  const series = found.map(each => ({
    label: COMPONENTS[each.component],
    colour: each.component,
    values: spread(each, 'machine_w'),
    band: [spread(each, 'least_w'), spread(each, 'most_w')],
  }))
  if (found.length && found.some(each => each.own_w.some(watts => watts > 0))) {
    series.push({ label: 'own, all together', colour: 'text', values: summed(found.map(each => spread(each, 'own_w'))) })
  }
  return { times, series }
}

const summed = columns => columns[0].map((_, place) => {
  const values = columns.map(column => column[place])
  return values.every(value => value == null) ? null : values.reduce((sum, value) => sum + (value ?? 0), 0)
})

function Whose({ run }) {
  const split = run.parts.own.energy_j.value != null
  const rows = run.components.map(({ component, quality, parts }) => ({
    key: component + quality,
    label: <>{COMPONENTS[component]} <Quality of={quality} /></>,
    value: parts.machine.energy_j.value,
    low: parts.machine.energy_j.low,
    high: parts.machine.energy_j.high,
    text: energy(parts.machine.energy_j.value),
    parts: split
      ? PARTS.map(({ name, colour }) => ({ name, colour, value: parts[name].energy_j.value }))
      : [{ name: 'machine', colour: 'idle', value: parts.machine.energy_j.value }],
  }))
  if (!rows.length) return null
  const figure = (row, part) => energy(row.parts[part].energy_j.value)
  const all = { component: 'all', quality: '', parts: run.parts, sources: [] }
  return (
    <Section id="whose" title="Whose energy" note="What the machine used, by component: what this program used, what was spent on nobody’s work, and what other programs used. The thin line is the range of the meter.">
      <Bars label="Energy by component" rows={rows} legend={split ? PARTS : undefined} />
      <Table
        caption="Energy by component"
        rowKey={row => row.component + row.quality}
        columns={[
          { key: 'component', title: 'Component', cell: row => COMPONENTS[row.component] ?? 'all' },
          { key: 'own', title: 'Own', right: true, cell: row => figure(row, 'own') },
          { key: 'idle', title: 'Idle', right: true, cell: row => figure(row, 'idle') },
          { key: 'others', title: 'Others', right: true, cell: row => figure(row, 'others') },
          { key: 'machine', title: 'Machine', right: true, cell: row => figure(row, 'machine') },
          { key: 'range', title: `${run.headline}, 90 %`, right: true, cell: row => energyRange(row.parts[run.headline].energy_j) },
          { key: 'quality', title: 'Quality', cell: row => row.quality && <Quality of={row.quality} /> },
          { key: 'source', title: 'Source', kind: 'wide', cell: row => <Text of={row.sources.join('; ')} most={120} /> },
        ]}
        rows={run.components.length > 1 ? [...run.components, all] : run.components}
      />
    </Section>
  )
}

function Tasks({ run }) {
  const spans = run.tasks.map(({ path, name, depth, pieces, energy_j, emissions_g, share }) => ({
    key: path,
    label: <bdi>{path ? plain(name, 120) : 'outside any task'}</bdi>,
    depth,
    pieces,
    colour: path ? 'accent' : 'idle',
    text: energy_j.value == null ? UNKNOWN : `${energy(energy_j.value)}, ${mass(emissions_g.value, 2)}${share == null ? '' : `, ${percent(share)}`}`,
  }))
  return (
    <Section id="tasks" title="Tasks" note="Each bar begins when the task first ran in an hour, and is as long as it ran; energy and CO2e with those inside it.">
      <Timeline label="Tasks over time" start_s={run.started_s} duration_s={run.duration_s} spans={spans} />
      {run.more_tasks > 0 && <p class="note">and {run.more_tasks} more tasks</p>}
    </Section>
  )
}

function Intensity({ run }) {
  const { hours } = run
  if (!hours.length) return null
  const places = [...new Map(hours.map(hour => [hour.name + hour.source, hour])).values()]
  return (
    <Section id="intensity" title="Carbon intensity">
      {hours.length > 1 && <HoursChart hours={hours} />}
      <Table
        caption="Prices of the energy"
        rowKey={hour => hour.name + hour.source}
        columns={[
          { key: 'name', title: 'Place', kind: 'named', cell: hour => <Text of={hour.name} most={120} /> },
          { key: 'value', title: 'g CO2e/kWh', right: true, cell: hour => spread(hours, hour) },
          { key: 'period', title: 'Mean of', cell: hour => (hour.period === 'hour' ? 'each hour' : 'a year') },
          { key: 'source', title: 'Source', kind: 'wide', cell: hour => <Text of={hour.source} most={200} /> },
        ]}
        rows={places}
      />
      <h3>What electricity is made of there</h3>
      <Mix of={run.mix} />
    </Section>
  )
}

/** The range of one figure, or how far those of many hours go. */
function spread(hours, { name, source, low, high, g_per_kwh }) {
  const values = hours.filter(hour => hour.name === name && hour.source === source).map(hour => hour.g_per_kwh)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  if (most > least) return `${number(least)} to ${number(most)}`
  return low < high ? `${number(g_per_kwh)} (${number(low)}–${number(high)})` : number(g_per_kwh)
}

const charts = new WeakMap()

function HoursChart({ hours }) {
  if (!charts.has(hours)) {
    charts.set(hours, {
      times: hours.map(hour => hour.start_s),
      series: [{
        label: 'g CO2e/kWh', colour: 'accent', values: hours.map(hour => hour.g_per_kwh),
        band: [hours.map(hour => hour.low), hours.map(hour => hour.high)],
      }],
    })
  }
  const { times, series } = charts.get(hours)
  return <Series label="Carbon intensity by hour" times={times} series={series} height={180} />
}

function Gaps({ run }) {
  const by = new Map()
  for (const gap of run.gaps) by.set(gap.source + gap.reason, [...(by.get(gap.source + gap.reason) ?? []), gap])
  const spans = [...by.entries()].map(([key, gaps]) => ({
    key,
    label: <><Text of={gaps[0].source} most={120} />: <Text of={gaps[0].reason} most={120} /></>,
    pieces: gaps,
    colour: 'bad',
    text: duration(gaps.reduce((sum, gap) => sum + gap.duration_s, 0)),
  }))
  return (
    <Section id="gaps" title="Not read" note="What could not be read, and when; its energy is missing from the figures.">
      <Timeline label="Gaps over time" start_s={run.started_s} duration_s={run.duration_s} spans={spans} />
    </Section>
  )
}

function Basis({ run }) {
  return (
    <Section id="basis" title="What the figures rest on">
      <dl class="facts">
        {run.texts.details.map(([label, texts]) => (
          <Fact key={label} label={label}>{texts.map(text => <div key={text}><Text of={text} /></div>)}</Fact>
        ))}
      </dl>
    </Section>
  )
}

function Facts({ run }) {
  return (
    <Section id="facts" title="Environment">
      <dl class="facts">
        {Object.entries(run.facts).map(([name, text]) => (
          <Fact key={name} label={plain(name.replaceAll('_', ' '), 60)}><Text of={text} /></Fact>
        ))}
      </dl>
      {!Object.keys(run.facts).length && <p class="note">Nothing is known of it.</p>}
    </Section>
  )
}

function Fact({ label, children }) {
  return <><dt><bdi>{label}</bdi></dt><dd>{children}</dd></>
}

/** The other reports, as text to copy. Those on a server are fetched when they are chosen. */
function Reports({ texts, load }) {
  const names = Array.isArray(texts) ? texts : Object.keys(texts)
  const [chosen, choose] = useState(null)
  const show = async name => {
    try {
      choose({ name, text: Array.isArray(texts) ? await load(name) : texts[name] })
    } catch (error) {
      choose({ name, failure: error.message }) // a report may lack something that only a person can tell
    }
  }
  if (!names.length) return null
  return (
    <Section id="reports" title="As text" note="For a paper, a model card or a pull request.">
      <div class="tabs" role="group" aria-label="Kind of text">
        {names.map(name => (
          <button key={name} type="button" aria-pressed={chosen?.name === name} onClick={() => show(name)}>
            {name.replaceAll('_', '-')}
          </button>
        ))}
      </div>
      {chosen?.failure && <p class="message" role="alert">{plain(chosen.failure)}</p>}
      {chosen?.text != null && (
        <div class="text">
          <Copy text={chosen.text} />
          <pre tabIndex={0} aria-label={`The run as ${chosen.name}`}><bdi>{chosen.text}</bdi></pre>
        </div>
      )}
    </Section>
  )
}

