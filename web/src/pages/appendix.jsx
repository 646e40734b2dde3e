// The appendix of an experiment set: an index of its runs, and a page for each of them. Both open from the disk.

import { useMemo, useState } from 'preact/hooks'
import { number, plain, when } from '../shared/format.js'
import { Quality, Section, State, Tile, Tiles } from '../shared/figures.jsx'
import { RunPage } from '../shared/run.jsx'
import { Scatter } from '../shared/scatter.jsx'
import { Series } from '../shared/series.jsx'
import { Shell, carried, show } from '../shared/shell.jsx'
import { Table } from '../shared/table.jsx'

const NAME_LENGTH = 80
const LEAST = 1e-9 // of a mean: what is less is how numbers are rounded
const ABOUT = 'Made by carbonwatch. Energy and emissions are those of the programs, or of the machine where a run says so; intervals are about 90 % wide.'

/** Mean, standard error and number of what is known: the same as significance.group() of the library. */
function group(values) {
  const known = values.filter(value => value != null)
  const n = known.length
  if (!n) return { n, mean: null, error: null }
  const mean = known.reduce((sum, value) => sum + value, 0) / n
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const error = n > 1 ? Math.sqrt(squares / (n - 1) / n) : null
  return { n, mean, error: error != null && error < Math.abs(mean) * LEAST ? 0 : error }
}

/** Whether a pattern fits: with * and ? the whole of a text, without them a part of it. */
function fits(pattern, texts) {
  const wanted = pattern.trim().toLowerCase()
  if (!wanted) return true
  const whole = /[*?]/.test(wanted)
  const source = wanted.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')
  const expression = new RegExp(whole ? `^${source}$` : source, 's')
  return texts.some(text => expression.test(String(text).toLowerCase()))
}

function Index({ data }) {
  const [pattern, setPattern] = useState('')
  const [tag, setTag] = useState('')
  const [state, setState] = useState('')
  const [set, setSet] = useState('')
  const tags = useMemo(() => [...new Set(data.runs.flatMap(run => run.tags))].sort(), [data])
  const states = useMemo(() => [...new Set(data.runs.map(run => run.state))].sort(), [data])
  const shown = data.runs.filter(run => (
    (!tag || run.tags.includes(tag)) && (!state || run.state === state) && (!set || run.sets.includes(set))
    && fits(pattern, [run.id, run.project, run.command, ...run.tags])
  ))
  const chosen = find(data.sets, set)
  return (
    <Shell title={plain(data.title, NAME_LENGTH)} href="index.html" foot={ABOUT}>
      <div>
        <h1><bdi>{plain(data.title)}</bdi></h1>
        <Text of={data.description} />
      </div>
      <div class="appendix">
        <nav aria-label="Sets">
          <h2>Sets</h2>
          <Tree sets={[{ path: '', name: 'All runs', sets: data.sets, count: data.runs.length }]} chosen={set} choose={setSet} />
        </nav>
        <div class="runs">
          <form class="fields" role="search" onSubmit={event => event.preventDefault()}>
            <label>
              Pattern
              <input class="long" type="search" value={pattern} placeholder="lr-*  or a part of a name" onInput={event => setPattern(event.currentTarget.value)} />
            </label>
            <label>
              Tag
              <select value={tag} onChange={event => setTag(event.currentTarget.value)}>
                <option value="">all</option>
                {tags.map(each => <option key={each} value={each}>{plain(each, NAME_LENGTH)}</option>)}
              </select>
            </label>
            <label>
              State
              <select value={state} onChange={event => setState(event.currentTarget.value)}>
                <option value="">all</option>
                {states.map(each => <option key={each} value={each}>{each}</option>)}
              </select>
            </label>
            <p role="status">{shown.length} of {data.runs.length} runs</p>
          </form>
          {chosen && <h2><bdi>{plain(chosen.name)}</bdi></h2>}
          {chosen && <Text of={chosen.description} />}
          <Summary variables={data.variables} runs={shown} />
          <Runs data={data} runs={shown} />
        </div>
      </div>
      {!set && data.sets.length > 0 && <Sets data={data} runs={shown} />}
      {data.scatter.map(({ x, y }) => <Plot key={`${x.key} ${y.key}`} runs={shown} across={x} up={y} />)}
      {data.leaderboard && <Leaderboard data={data} runs={shown} />}
      <Section id="data" title="Raw data">
        <p>
          <a href="data/runs.csv" download>All runs as CSV</a> · <a href="data/index.json" download>This page's data as JSON</a>.
          Each run's page has its own.
        </p>
      </Section>
    </Shell>
  )
}

function Text({ of }) {
  return of.split(/\n\s*\n/).filter(Boolean).map((part, i) => <p key={i} class="prose"><bdi>{part}</bdi></p>)
}

function Tree({ sets, chosen, choose }) {
  return (
    <ul class="tree">
      {sets.map(({ path, name, sets: inner, count }) => (
        <li key={path}>
          <button type="button" class="quiet" aria-pressed={chosen === path} onClick={() => choose(path)}>
            <bdi>{plain(name, NAME_LENGTH)}</bdi> <small>{count}</small>
          </button>
          {inner.length > 0 && <Tree sets={inner} chosen={chosen} choose={choose} />}
        </li>
      ))}
    </ul>
  )
}

function find(sets, path) {
  for (const set of sets) {
    if (set.path === path) return set
    const inside = find(set.sets, path)
    if (inside) return inside
  }
  return null
}

const all = sets => sets.flatMap(set => [set, ...all(set.sets)])
const label = ({ label: text, unit }) => (unit ? `${text}, ${unit}` : text)
const shortly = value => (value == null ? '–' : number(value))
const within = ({ mean, error }) => (mean == null ? '–' : error == null ? number(mean) : `${number(mean)} ± ${number(error)}`)

function Summary({ variables, runs }) {
  return (
    <Tiles>
      {variables.map(variable => {
        const found = group(runs.map(run => run.values[variable.key]))
        const note = found.error == null ? `n = ${found.n}` : `± ${number(found.error)} standard error, n = ${found.n}`
        return <Tile key={variable.key} label={plain(label(variable), NAME_LENGTH)} note={note}>{shortly(found.mean)}</Tile>
      })}
    </Tiles>
  )
}

function Runs({ data, runs }) {
  const columns = [
    {
      key: 'project',
      title: 'run',
      kind: 'named',
      sort: run => run.project,
      cell: run => <><a href={run.page}><bdi>{plain(run.project, NAME_LENGTH)}</bdi></a><br /><small>{plain(run.id, 13)}</small></>,
    },
    ...data.variables.map(variable => ({
      key: `value:${variable.key}`,
      title: plain(label(variable), NAME_LENGTH),
      right: true,
      sort: run => run.values[variable.key],
      cell: run => shortly(run.values[variable.key]),
    })),
    { key: 'state', title: 'state', sort: run => run.state, cell: run => <State of={run.state} /> },
    { key: 'started', title: 'started', sort: run => run.started_s, cell: run => <span class="whole">{when(run.started_s)}</span> },
    { key: 'tags', title: 'tags', cell: run => <Tags of={run.tags} most={24} /> },
  ]
  const first = data.order && { key: data.order.key, down: data.order.down }
  return <Table caption="Runs" columns={columns} rows={runs} first={first} empty="No run fits the filters." />
}

function Tags({ of, most = NAME_LENGTH }) {
  return <span class="tags">{of.map(each => <span key={each} class="tag">{plain(each, most)}</span>)}</span>
}

function Sets({ data, runs }) {
  const rows = all(data.sets).map(set => ({ ...set, runs: runs.filter(run => run.sets.includes(set.path)) }))
  const columns = [
    { key: 'name', title: 'set', kind: 'named', sort: set => set.path, cell: set => <bdi>{plain(set.path, NAME_LENGTH)}</bdi> },
    { key: 'n', title: 'runs', right: true, sort: set => set.runs.length, cell: set => set.runs.length },
    ...data.variables.map(variable => ({
      key: variable.key,
      title: plain(label(variable), NAME_LENGTH),
      right: true,
      sort: set => group(set.runs.map(run => run.values[variable.key])).mean,
      cell: set => within(group(set.runs.map(run => run.values[variable.key]))),
    })),
  ]
  return (
    <Section id="sets" title="Sets beside each other" note="Mean ± standard error of the runs that the filters leave.">
      <Table caption="Sets" columns={columns} rows={rows} rowKey={set => set.path} />
    </Section>
  )
}

function Plot({ runs, across, up }) {
  const [x, y] = [across.key, up.key]
  const points = runs
    .filter(run => run.values[x] != null && run.values[y] != null)
    .map(run => ({ name: `${plain(run.project, NAME_LENGTH)}, ${plain(run.id, 13)}`, href: run.page, x: run.values[x], y: run.values[y], group: run.sets[0] ?? '' }))
  const title = `${plain(up.label, NAME_LENGTH)} over ${plain(across.label, NAME_LENGTH)}`
  return (
    <Section id={`plot-${x}-${y}`} title={title}>
      <Scatter label={title} xLabel={plain(label(across), NAME_LENGTH)} yLabel={plain(label(up), NAME_LENGTH)} points={points} />
    </Section>
  )
}

function Leaderboard({ data, runs }) {
  const { metric, better, key } = data.leaderboard
  const name = plain(metric, NAME_LENGTH)
  const isMore = better === 'more'
  const ranked = runs
    .filter(run => run.values[key] != null)
    .sort((one, other) => (isMore ? other.values[key] - one.values[key] : one.values[key] - other.values[key]))
    .map((run, i) => ({ ...run, place: i + 1 }))
  const columns = [
    { key: 'place', title: 'place', right: true, cell: run => run.place },
    { key: 'project', title: 'run', kind: 'named', cell: run => <a href={run.page}><bdi>{plain(run.project, NAME_LENGTH)}</bdi></a> },
    { key: 'set', title: 'set', kind: 'named', cell: run => <bdi>{plain(run.sets[0] ?? '', NAME_LENGTH)}</bdi> },
    { key: 'metric', title: name, right: true, cell: run => shortly(run.values[metric]) },
    { key: 'energy', title: 'energy, kWh', right: true, cell: run => shortly(run.values.energy_kwh) },
    { key: 'score', title: isMore ? `${name} per kWh` : `${name} × kWh`, right: true, cell: run => shortly(run.values[key]) },
  ]
  const note = isMore
    ? `The most ${name} for a kilowatt-hour first.`
    : `The least ${name} times energy first: half of the one counts as much as half of the other.`
  return (
    <Section id="leaderboard" title="Leaderboard" note={note}>
      <Table caption="Leaderboard" columns={columns} rows={ranked} empty="No run has this metric." />
    </Section>
  )
}

function Run({ data }) {
  const { run, series, values, files, home, sets } = data
  return (
    <Shell title={plain(data.title, NAME_LENGTH)} href={home} links={[{ href: home, label: 'All runs' }]} foot={ABOUT}>
      <RunPage run={run} reports={{}}><Tags of={sets} /></RunPage>
      {values.length > 0 && (
        <Section id="metrics" title="Metrics">
          <Tiles>{values.map(({ label: text, value }) => <Tile key={text} label={plain(text, NAME_LENGTH)}>{shortly(value)}</Tile>)}</Tiles>
        </Section>
      )}
      <Section id="meters" title="Every meter" note="All that it counted, this run’s own share, and what was spent on nobody’s work.">
        {series.length ? series.map(each => <Meter key={each.id} meter={each} />) : <p class="empty">No samples were kept.</p>}
      </Section>
      <Section id="data" title="Raw data">
        <ul>{files.map(({ href, label: text }) => <li key={href}><a href={href} download>{text}</a></li>)}</ul>
      </Section>
    </Shell>
  )
}

function Meter({ meter }) {
  const { source, quality, times, machine_w: machine, own_w: own, idle_w: idle } = meter
  const series = useMemo(() => [
    { label: 'all', values: machine, colour: 'others' },
    { label: 'own', values: own, colour: 'own' },
    { label: 'idle', values: idle, colour: 'idle' },
  ], [meter])
  return (
    <div>
      <h3><bdi>{plain(source, 200)}</bdi> <Quality of={quality} /></h3>
      <Series label={`Power by ${plain(source, NAME_LENGTH)}`} times={times} series={series} unit="power" />
    </div>
  )
}

const data = carried()
show(data.kind === 'run' ? <Run data={data} /> : <Index data={data} />)
