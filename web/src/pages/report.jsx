// The HTML report: one run, or several beside each other and each by itself. Everything is in the file.

import { Compare } from '../shared/compare.jsx'
import { RunPage } from '../shared/run.jsx'
import { link, route } from '../shared/route.js'
import { Shell, carried, show } from '../shared/shell.jsx'

const { title, runs } = carried()
const byId = new Map(runs.map(run => [run.id, run]))

function Report() {
  const run = runs.length === 1 ? runs[0] : byId.get(route.value.words.id)
  const links = runs.length === 1 ? [] : [{ href: '#', label: 'All runs', current: !run }]
  return (
    <Shell title="carbonwatch" links={links} foot={<p>Made by carbonwatch. Nothing in this file asks a network.</p>}>
      {run ? <RunPage run={run} reports={run.reports} key={run.id} /> : <All />}
    </Shell>
  )
}

function All() {
  return (
    <>
      <h1><bdi>{title}</bdi></h1>
      <Compare runs={runs} link={run => link('run', { id: run.id })} />
    </>
  )
}

show(<Report />)
