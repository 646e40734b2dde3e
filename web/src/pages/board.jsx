// The board: lists of runs, totals, projects, comparisons, a run's page; over the store and over files of runs.

import { effect, signal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ask, send } from '../shared/ask.js'
import { Bars } from '../shared/bars.jsx'
import { Compare } from '../shared/compare.jsx'
import { Elsewhere } from '../shared/elsewhere.jsx'
import { Equivalents } from '../shared/equivalents.jsx'
import { Section, State, Tags, Tile, Tiles } from '../shared/figures.jsx'
import { UNKNOWN, count, duration, energy, mass, percent, plain, when } from '../shared/format.js'
import { go, link, route } from '../shared/route.js'
import { RunPage } from '../shared/run.jsx'
import { Series } from '../shared/series.jsx'
import { Shell, carried, show } from '../shared/shell.jsx'
import { Table } from '../shared/table.jsx'
import { Where } from '../shared/where.jsx'

const A_PAGE = 50
const MOST_COMPARED = 12
const MOST_BARS = 20
const LOOK_EVERY_MS = 2000
const PAUSE_MS = 300
const FILTERS = ['text', 'project', 'tag', 'state', 'from', 'to']
const STATES = ['running', 'finished', 'failed', 'killed']

const sources = signal(carried()?.sources ?? [])
const failure = signal('')
const chosen = signal(new Set()) // ids of the runs to compare

const source = () => route.value.words.source ?? sources.value[0]?.name
/** Changes when the runs do. */
const edition = () => sources.value.find(({ name }) => name === source())?.edition

/** What a view has to know of the address to ask the server. */
function wanted() {
  const { words } = route.value
  const day = (text, plus) => {
    const midnight = text ? new Date(`${text}T00:00:00`) : null
    if (!midnight || Number.isNaN(midnight.getTime())) return undefined
    midnight.setDate(midnight.getDate() + plus)
    return Math.max(0, midnight.getTime() / 1000)
  }
  return {
    source: source(), text: words.text, project: words.project, tag: words.tag, state: words.state,
    since: day(words.from, 0), until: day(words.to, 1),
  }
}

/**
 * The answer to a question, asked anew when its words or the runs change; the former one until then.
 * One at a time: what changes while the server still looks is asked when it has found, and then the latest alone.
 * Words of null ask nothing.
 */
function useAnswer(question, words) {
  const [answer, setAnswer] = useState(null)
  const asking = useRef({ next: null, isBusy: false }).current
  // not after the page was drawn, as useEffect would
  useLayoutEffect(() => {
    asking.next = words
    if (!asking.isBusy) askAll(question, asking, setAnswer)
  }, [JSON.stringify([words, edition()])])
  useLayoutEffect(() => () => { asking.isGone = true }, [])
  return answer
}

async function askAll(question, asking, found) {
  asking.isBusy = true
  while (asking.next && !asking.isGone) {
    const words = asking.next
    asking.next = null
    const [answer, error] = await ask(question, words).then(answer => [answer], error => [null, error])
    if (asking.isGone || (error && asking.next)) continue
    failure.value = error?.message ?? ''
    if (answer) found(answer)
  }
  asking.isBusy = false
}

// ids come from files of others too, and may hold any sign
const asIds = ids => (ids.size ? JSON.stringify([...ids]) : '')

function idsIn(text) {
  try {
    return JSON.parse(text || '[]').map(String).slice(0, MOST_COMPARED)
  } catch {
    return []
  }
}

const again = (path, changes) => link(path, { ...kept(), ...changes })

/** The filters and the source, which stay from view to view. */
function kept() {
  return Object.fromEntries(['source', ...FILTERS].map(name => [name, route.value.words[name]]))
}

function Board() {
  const { path } = route.value
  const View = { '': Runs, projects: Projects, elsewhere: Everywhere, compare: Comparison, run: One }[path] ?? Runs
  return (
    <Shell
      title="carbonwatch" href={again('', {})}
      links={[
        { href: again('', {}), label: 'Runs', current: View === Runs },
        { href: again('projects', {}), label: 'Projects', current: View === Projects },
        { href: again('elsewhere', {}), label: 'Elsewhere', current: View === Everywhere },
        { href: again('compare', { ids: asIds(chosen.value) }), label: `Compare${chosen.value.size ? ` (${chosen.value.size})` : ''}`, current: View === Comparison },
        { href: 'calculator', label: 'Calculator' },
      ]}
      foot={<p>This page asks no other host, and changes nothing. <a href="licences.txt">Licences of what it is made of</a></p>}
    >
      <Source />
      {failure.value && <p class="message bad" role="alert">{plain(failure.value)}</p>}
      {source() !== undefined && <View key={source()} />}
    </Shell>
  )
}

const said = signal('') // of the file that is being sent

/** Sends files to the server, and shows the last of them. */
async function read(files) {
  for (const file of files) {
    said.value = `Reading ${plain(file.name, 100)} …`
    try {
      const added = await send('sources', file)
      await look()
      said.value = ''
      go('', { source: added.name })
    } catch (error) {
      said.value = error.message
    }
  }
}

/** Which runs these are, where there are several kinds; files can be dropped anywhere. */
function Source() {
  useEffect(() => onDrop(read), [])
  const text = said.value || readSoFar()
  return (
    <div class={sources.value.length > 1 || text ? 'fields' : 'hidden'}>
      {sources.value.length > 1 && (
        <label>
          Runs of
          <select value={source()} onChange={event => go('', { source: event.target.value })}>
            {sources.value.map(({ name, title }) => <option key={name} value={name}>{plain(title, 80)}</option>)}
          </select>
        </label>
      )}
      <p class="note" role="status">{text}</p>
    </div>
  )
}

function OpenFile() {
  return (
    <Section id="files" title="Other runs" note="An emissions.csv of CodeCarbon or of carbonwatch. It can also be dropped anywhere on this page.">
      <div class="fields">
        <label>Open a file<input type="file" class="long" accept=".csv,text/csv" onChange={event => read(event.target.files)} /></label>
      </div>
    </Section>
  )
}

/** What the server has of the file that is shown. */
function readSoFar() {
  const shown = sources.value.find(({ name }) => name === source())
  if (!shown || shown.rows == null) return ''
  if (shown.failure) return plain(shown.failure, 500)
  return `${shown.reading ? 'Reading, so far ' : ''}${count(shown.rows)} rows of ${plain(shown.title, 100)}`
}

function onDrop(read) {
  const mark = (event, on) => {
    event.preventDefault()
    document.body.classList.toggle('drop-here', on)
  }
  const over = event => mark(event, true)
  const leave = event => mark(event, false)
  const drop = event => {
    mark(event, false)
    read(event.dataTransfer.files)
  }
  addEventListener('dragover', over)
  addEventListener('dragleave', leave)
  addEventListener('drop', drop)
  return () => {
    removeEventListener('dragover', over)
    removeEventListener('dragleave', leave)
    removeEventListener('drop', drop)
  }
}

function Runs() {
  const words = wanted()
  const overview = useAnswer('overview', words)
  // asked when the totals of these words are there and nobody types on: it takes longer than what is looked at first
  const [settled, settle] = useState(null)
  useEffect(() => {
    const later = overview && setTimeout(() => settle(words), PAUSE_MS)
    return () => clearTimeout(later)
  }, [overview])
  const places = useAnswer('places', settled)
  return (
    <>
      <h1>Runs</h1>
      <Filters />
      {overview && <Overview of={overview} />}
      <List words={words} total={overview?.totals.runs} />
      {places?.length > 0 && <Where places={places} />}
      {overview?.totals.runs > 0 && <Equivalents of={overview.equivalents} />}
      <OpenFile />
    </>
  )
}

function Filters() {
  const { words } = route.value
  const choices = useAnswer('choices', { source: source() }) ?? { projects: [], tags: [] }
  // by the address as it is then: typing comes late, and what was chosen meanwhile stays
  const set = changes => go(route.value.path, { ...route.value.words, offset: '', ...changes }, { replace: true })
  const options = names => names.map(name => <option key={name} value={name}>{plain(name, 80)}</option>)
  return (
    <form class="fields" role="search" aria-label="Filter the runs" onSubmit={event => event.preventDefault()}>
      <label>Words in project, command, tag or host<input type="search" class="long" value={words.text ?? ''} onInput={event => set({ text: event.target.value })} /></label>
      <label>
        Project
        <select value={words.project ?? ''} onChange={event => set({ project: event.target.value })}>
          <option value="">all</option>{options(choices.projects)}
        </select>
      </label>
      {choices.tags.length > 0 && (
        <label>
          Tag
          <select value={words.tag ?? ''} onChange={event => set({ tag: event.target.value })}>
            <option value="">all</option>{options(choices.tags)}
          </select>
        </label>
      )}
      <label>
        State
        <select value={words.state ?? ''} onChange={event => set({ state: event.target.value })}>
          <option value="">all</option>{options(STATES)}
        </select>
      </label>
      <label>From<input type="date" value={words.from ?? ''} onChange={event => set({ from: event.target.value })} /></label>
      <label>To<input type="date" value={words.to ?? ''} onChange={event => set({ to: event.target.value })} /></label>
      {FILTERS.some(name => words[name]) && (
        <button type="button" onClick={() => set(Object.fromEntries(FILTERS.map(name => [name, ''])))}>Clear</button>
      )}
    </form>
  )
}

/** Whether sums are of anything. */
const areKnown = ({ runs, unmetered }) => runs > unmetered

function Overview({ of: { totals, spans, width_s } }) {
  const known = areKnown(totals)
  const dated = datedOf(spans)
  return (
    <>
      <Tiles>
        <Tile label="Runs" note={totals.unmetered ? `${count(totals.unmetered)} of unknown energy` : ''}>{count(totals.runs)}</Tile>
        <Tile label="Emissions (CO2e)">{known ? mass(totals.emissions_g) : UNKNOWN}</Tile>
        <Tile label="Energy">{known ? energy(totals.energy_j) : UNKNOWN}</Tile>
        <Tile label="Time">{duration(totals.duration_s)}</Tile>
        <Tile label="Measured" note="of the energy, by counters">{percent(totals.energy_j > 0 ? totals.measured_j / totals.energy_j : null)}</Tile>
      </Tiles>
      {dated.length > 0 && (
        <div class="pair">
          <OverTime id="emissions-over-time" title="Emissions" spans={dated} width_s={width_s} name="emissions_g" colour="accent" unit="mass" />
          <OverTime id="energy-over-time" title="Energy" spans={dated} width_s={width_s} name="energy_j" colour="cpu" unit="energy" />
        </div>
      )}
    </>
  )
}

const columns = new WeakMap()
const datedSpans = new WeakMap()

/** Without the runs of which nobody knows when. The same list for the same answer, or charts would be drawn anew. */
function datedOf(spans) {
  if (!datedSpans.has(spans)) datedSpans.set(spans, spans.filter(span => span.start_s > 0))
  return datedSpans.get(spans)
}

function OverTime({ id, title, spans, width_s, name, colour, unit }) {
  if (!columns.has(spans)) columns.set(spans, {})
  const made = columns.get(spans)
  made.times ??= spans.map(span => span.start_s)
  made[name] ??= [{ label: title, colour, values: spans.map(span => (areKnown(span) ? span[name] : null)) }]
  const width = { 3600: 'by hour', 86400: 'by day', 604800: 'by week', 2419200: 'by four weeks' }[width_s] ?? `by ${Math.round(width_s / 604800)} weeks`
  return (
    <Section id={id} title={`${title} ${width}`}>
      <Series
        label={`${title} ${width}`} times={made.times} series={made[name]} unit={unit} kind="bars" height={200}
        from_s={spans[0].start_s} to_s={spans.at(-1).start_s + width_s}
      />
    </Section>
  )
}

function List({ words, total }) {
  const { words: address } = route.value
  const order = { key: address.order ?? 'started', down: (address.down ?? '1') === '1' }
  const offset = Number(address.offset ?? 0) || 0
  const runs = useAnswer('runs', { ...words, order: order.key, down: order.down ? 1 : 0, offset, limit: A_PAGE })
  const set = changes => go('', { ...address, ...changes }, { replace: true })
  const to = at => set({ offset: at || '' })
  if (!runs) return <p role="status">Loading …</p>
  return (
    <Section id="list" title="List">
      <Table
        caption="Runs"
        order={order}
        onOrder={({ key, down }) => set({ order: key, down: down ? 1 : 0, offset: '' })}
        empty={total === 0 && FILTERS.some(name => address[name]) ? 'No run fits.' : 'There are no runs yet. Measure one: carbonwatch run -- COMMAND'}
        columns={[
          { key: 'choose', label: 'Compare', cell: run => <Choose run={run} /> },
          { key: 'started', title: 'Started', sort: true, kind: 'tight', cell: run => when(run.started_s) },
          { key: 'project', title: 'Project', sort: true, kind: 'wide', cell: run => <Name run={run} /> },
          { key: 'state', title: 'State', sort: true, cell: run => <State of={run.state} /> },
          { key: 'duration', title: 'Duration', sort: true, right: true, cell: run => duration(run.duration_s) },
          { key: 'energy', title: 'Energy', sort: true, right: true, cell: run => energy(run.energy_j) },
          { key: 'emissions', title: 'CO2e', sort: true, right: true, cell: run => mass(run.emissions_g) },
          { key: 'measured', title: 'Measured', sort: true, right: true, cell: run => percent(run.measured) },
          { key: 'command', title: 'Command', kind: 'clipped', cell: run => <code title={plain(run.command, 500)}><bdi>{plain(run.command, 120)}</bdi></code> },
        ]}
        rows={runs}
      />
      <div class="pages">
        <button type="button" disabled={!offset} onClick={() => to(Math.max(0, offset - A_PAGE))}>Previous</button>
        <span role="status">{runs.length ? `${offset + 1} to ${offset + runs.length}` : 'none'}{total == null ? '' : ` of ${count(total)}`}</span>
        <button type="button" disabled={total == null ? runs.length < A_PAGE : offset + runs.length >= total} onClick={() => to(offset + A_PAGE)}>Next</button>
        <a class="button main" href={again('compare', { ids: asIds(chosen.value) })}>Compare {chosen.value.size || ''} chosen</a>
      </div>
    </Section>
  )
}

function Name({ run }) {
  return (
    <>
      <a href={again('run', { id: run.id })}><bdi>{plain(run.project, 80)}</bdi></a>{' '}
      <Tags of={run.tags} />
    </>
  )
}

function Choose({ run }) {
  const isChosen = chosen.value.has(run.id)
  const toggle = () => {
    const next = new Set(chosen.value)
    if (isChosen) next.delete(run.id)
    else next.add(run.id)
    chosen.value = next
  }
  return (
    <input
      type="checkbox" checked={isChosen} disabled={!isChosen && chosen.value.size >= MOST_COMPARED} onChange={toggle}
      aria-label={`Compare ${plain(run.project, 80)} of ${when(run.started_s)}`}
    />
  )
}

function Projects() {
  const projects = useAnswer('projects', wanted())
  if (!projects) return <p role="status">Loading …</p>
  return (
    <>
      <h1>Projects</h1>
      <Filters />
      {projects.length > 0 && (
        <Section id="by-project" title="Emissions (CO2e)" note={projects.length > MOST_BARS ? `The ${MOST_BARS} projects that emitted most; the table has all.` : ''}>
          <Bars
            label="Emissions by project"
            rows={projects.slice(0, MOST_BARS).map(each => ({
              key: each.project, label: <bdi>{plain(each.project, 80)}</bdi>, value: each.emissions_g, text: areKnown(each) ? mass(each.emissions_g) : UNKNOWN,
            }))}
          />
        </Section>
      )}
      <Table
        caption="Projects"
        first={{ key: 'emissions', down: true }}
        rowKey={each => each.project}
        columns={[
          { key: 'project', title: 'Project', kind: 'wide', sort: each => each.project, cell: each => <a href={again('', { project: each.project })}><bdi>{plain(each.project, 120)}</bdi></a> },
          { key: 'runs', title: 'Runs', right: true, sort: each => each.runs, cell: each => count(each.runs) },
          { key: 'duration', title: 'Time', right: true, sort: each => each.duration_s, cell: each => duration(each.duration_s) },
          { key: 'energy', title: 'Energy', right: true, sort: each => each.energy_j, cell: each => (areKnown(each) ? energy(each.energy_j) : UNKNOWN) },
          { key: 'emissions', title: 'CO2e', right: true, sort: each => each.emissions_g, cell: each => (areKnown(each) ? mass(each.emissions_g) : UNKNOWN) },
          { key: 'measured', title: 'Measured', right: true, sort: each => each.measured_j / each.energy_j, cell: each => percent(each.energy_j > 0 ? each.measured_j / each.energy_j : null) },
          { key: 'last', title: 'Last run', kind: 'tight', sort: each => each.last_s, cell: each => when(each.last_s) },
        ]}
        rows={projects}
      />
    </>
  )
}

function Everywhere() {
  const found = useAnswer('elsewhere', wanted())
  if (!found) return <p role="status">Loading …</p>
  return (
    <>
      <h1>All these runs elsewhere</h1>
      <Filters />
      <p>{found.energy_j == null ? 'What they used is not known.' : `They used ${energy(found.energy_j)}.`}</p>
      {found.places.length > 0 && <Elsewhere places={found.places} note="The energy of all runs that the filters leave, at each place’s mean of a year, without the overhead of data centres." />}
    </>
  )
}

function Comparison() {
  const ids = idsIn(route.value.words.ids)
  const [runs, setRuns] = useState(null)
  useEffect(() => {
    Promise.all(ids.map(id => ask('run', { id, source: source(), points: 1 }))).then(setRuns, error => { failure.value = error.message })
  }, [route.value.words.ids, edition()])
  return (
    <>
      <h1>Comparison</h1>
      {ids.length < 2 && <p class="message">Choose two runs or more: tick them in the <a href={again('', {})}>list</a>.</p>}
      {!runs && <p role="status">Loading …</p>}
      {runs?.length > 0 && <Compare runs={runs} link={run => again('run', { id: run.id })} />}
    </>
  )
}

function One() {
  const { id } = route.value.words
  const run = useAnswer('run', { id, source: source() })
  if (!run || run.id !== id) return failure.value ? null : <p role="status">Loading …</p>
  const asked = words => ({ id, source: source(), ...words })
  return (
    <RunPage
      run={run} reports={run.reports} load={async name => (await ask('report', asked({ name }))).text}
      zoom={(since, until) => ask('power', asked({ since, until }))}
    >
      <label class="check"><Choose run={run} /> Compare</label>
    </RunPage>
  )
}

/** Looks whether there is anything new: a run that goes on, or one that began. */
async function look() {
  try {
    sources.value = await ask('sources')
  } catch {
    failure.value = 'The board was ended where it was started: nothing new comes from it.'
  }
}

effect(() => {
  document.title = `${{ run: 'Run', projects: 'Projects', compare: 'Comparison', elsewhere: 'Elsewhere' }[route.value.path] ?? 'Runs'} – carbonwatch`
})
show(<Board />)
setInterval(() => { if (!document.hidden) look() }, LOOK_EVERY_MS)
