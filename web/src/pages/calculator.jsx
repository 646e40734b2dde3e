// The calculator: what work will emit, from devices, hours and place. The form is in the address, so that a link carries
// it; the arithmetic is in shared/calculator.js, and the tables come with the page.

import { effect, signal } from '@preact/signals'
import { Bars } from '../shared/bars.jsx'
import * as calculator from '../shared/calculator.js'
import { Copy } from '../shared/copy.jsx'
import { Elsewhere } from '../shared/elsewhere.jsx'
import { Equivalents } from '../shared/equivalents.jsx'
import { COMPONENTS, Energy, Section, Tile, Tiles } from '../shared/figures.jsx'
import { energy, mass, massRange, number, percent, volume } from '../shared/format.js'
import { Mix } from '../shared/mix.jsx'
import { go, route } from '../shared/route.js'
import { Shell, carried, show } from '../shared/shell.jsx'

const { table, board } = carried()

const KINDS = { gpu: 'GPU', tpu: 'TPU', cpu: 'CPU', instance: 'Cloud instance' }
const GROUPS = { '': 'Not known: the world’s mean', countries: 'A country', states: 'A state or province', aws: 'AWS', azure: 'Azure', gcp: 'Google Cloud' }
const FIELDS = ['hours', 'place', 'g_per_kwh', 'pue', 'ram_gb', 'offset', 'offset_by']

const form = signal(fromAddress())
const group = signal(groupOf(form.value.place))
addEventListener('hashchange', () => {
  form.value = fromAddress()
  group.value = groupOf(form.value.place)
})
effect(() => go('', asWords(form.value), { replace: true }))

function fromAddress() {
  const { words } = route.value
  if (!words.of) return calculator.START
  let lines = []
  try {
    lines = JSON.parse(words.of).slice(0, calculator.MOST_DEVICES)
  } catch { /* a broken link begins anew */ }
  const devices = lines.filter(Array.isArray).map(line => {
    const [kind, name, count, utilisation, vcpus] = line.map(each => String(each ?? ''))
    return { kind: kind in KINDS ? kind : 'gpu', name: name ?? '', count: count ?? '', utilisation: utilisation ?? '', vcpus: vcpus ?? '' }
  })
  if (!devices.length) return calculator.START
  return { devices, ...Object.fromEntries(FIELDS.map(name => [name, words[name] ?? ''])), offset_by: words.offset_by === 'provider' ? 'provider' : 'bought' }
}

function asWords({ devices, ...rest }) {
  return { of: JSON.stringify(devices.map(({ kind, name, count, utilisation, vcpus }) => [kind, name, count, utilisation, vcpus])), ...rest }
}

const set = changes => { form.value = { ...form.value, ...changes } }
const setDevice = (n, changes) => set({ devices: form.value.devices.map((each, at) => (at === n ? { ...each, ...changes } : each)) })

function groupOf(code) {
  if (!code) return ''
  return code.includes('/') ? code.split('/')[0] : code.includes('-') ? 'states' : 'countries'
}

const inGroup = name => table.places.filter(({ code }) => groupOf(code) === name).sort((a, b) => a.name.localeCompare(b.name))

function Calculator() {
  const wrong = calculator.problems(table, form.value)
  const answer = Object.keys(wrong).length ? null : calculator.calculate(table, calculator.asInput(form.value))
  return (
    <Shell
      title="carbonwatch"
      links={[...(board ? [{ href: '.', label: 'Runs' }] : []), { href: '#main', label: 'Calculator', current: true }]}
      foot={<p>This page asks no other host. <a href="licences.txt">Licences of what it is made of</a></p>}
    >
      <h1>What will it emit?</h1>
      <p class="note">
        An estimate from tables, before the work or without a meter. Where you can, measure instead: <code>carbonwatch run -- python train.py</code>.
      </p>
      <div class="pair">
        <Form wrong={wrong} />
        {answer ? <Result of={answer} /> : <p class="message bad" role="status">Some fields make no sense yet; each says what it needs.</p>}
      </div>
      {answer && <More of={answer} />}
      <Advice />
      <Glossary />
    </Shell>
  )
}

// --- the form

function Form({ wrong }) {
  const { devices, offset_by } = form.value
  return (
    <Section id="work" title="The work">
      {devices.map((device, n) => <Device key={n} n={n} of={device} wrong={wrong} removable={devices.length > 1} />)}
      <div>
        <button type="button" class="quiet" disabled={devices.length >= calculator.MOST_DEVICES} onClick={() => set({ devices: [...devices, { ...calculator.START.devices[0] }] })}>Add a device</button>
      </div>
      <div class="fields">
        <Field name="hours" label="Hours" wrong={wrong.hours} value={form.value.hours} onValue={hours => set({ hours })} />
        <Field name="ram_gb" label="Memory, GB (instances have theirs)" empty="none" wrong={wrong.ram_gb} value={form.value.ram_gb} onValue={ram_gb => set({ ram_gb })} />
      </div>
      <Place wrong={wrong} />
      <details open={!!(form.value.offset || form.value.g_per_kwh || form.value.pue)}>
        <summary>Own infrastructure, PUE, offsets</summary>
        <div class="fields calc-more">
          <Field name="g_per_kwh" label="Own intensity, g CO2e/kWh" empty="the place’s" wrong={wrong.g_per_kwh} value={form.value.g_per_kwh} onValue={g_per_kwh => set({ g_per_kwh })} />
          <Field name="pue" label="PUE" empty={`${calculator.plain(chosen().pue)}: the place’s`} wrong={wrong.pue} value={form.value.pue} onValue={pue => set({ pue })} />
          <Field name="offset" label="Offset, % of the emissions" empty="none" wrong={wrong.offset} value={form.value.offset} onValue={offset => set({ offset })} />
          <label>
            Offset by
            <select value={offset_by} onChange={event => set({ offset_by: event.target.value })}>
              <option value="bought">us: offsets that we bought</option>
              <option value="provider">the provider, as it says</option>
            </select>
          </label>
        </div>
        <p class="note">
          Your own figure in g/kWh is on your bill or your supplier’s site; your PUE is all power of the building over that of
          the machines: {table.pue.map(row => `${row.where} ${row.pue}`).join(', ')}.
        </p>
      </details>
    </Section>
  )
}

function Device({ n, of, wrong, removable }) {
  const { kind, name, count, utilisation, vcpus } = of
  const row = calculator.find(table, kind, name)
  const change = kind => setDevice(n, { kind, name: { gpu: 'A100 SXM4 80GB', tpu: 'TPU v4', cpu: 'xeon 8380', instance: 'aws/p4d.24xlarge' }[kind], vcpus: '' })
  return (
    <fieldset class="device">
      <legend>Device {n + 1}</legend>
      <div class="fields">
        <label>
          Kind
          <select value={kind} onChange={event => change(event.target.value)}>
            {calculator.KINDS.map(each => <option key={each} value={each}>{KINDS[each]}</option>)}
          </select>
        </label>
        <Name n={n} kind={kind} name={name} wrong={wrong[`name-${n}`]} />
        <Field name={`count-${n}`} label="How many" short wrong={wrong[`count-${n}`]} value={count} onValue={count => setDevice(n, { count })} />
        {kind === 'instance' && row?.vcpus === null && (
          <Field name={`vcpus-${n}`} label="vCPUs of each" short wrong={wrong[`vcpus-${n}`]} value={vcpus} onValue={vcpus => setDevice(n, { vcpus })} />
        )}
        <Field name={`utilisation-${n}`} label="Utilisation, %" empty="not known" short wrong={wrong[`utilisation-${n}`]} value={utilisation} onValue={utilisation => setDevice(n, { utilisation })} />
        {removable && <button type="button" class="quiet" aria-label={`Remove device ${n + 1}`} onClick={() => set({ devices: form.value.devices.filter((_, at) => at !== n) })}>Remove</button>}
      </div>
      {row && <p class="note">{about(kind, row)}</p>}
    </fieldset>
  )
}

const BASES = { measured: 'at most, measured', estimate: 'estimated: none is published' }

/** What the tables have of a device. */
function about(kind, row) {
  if (kind === 'instance') {
    const size = row.vcpus === null ? 'a family of instances' : `${row.vcpus} vCPUs, ${number(row.vcpus * row.gb_per_vcpu)} GB`
    return `${size}${row.boards_are ? `, ${row.boards_are}` : ''}`
  }
  return [
    `${row.tdp_w} W ${BASES[row.basis] ?? 'rated'}`, row.cores && `${row.cores} cores`, row.memory_gb && `${row.memory_gb} GB`,
    row.tflops && `${row.tflops} TFLOPS (${kind === 'tpu' ? 'BF16' : 'FP32'})`, row.year && `of ${row.year}`,
  ].filter(Boolean).join(', ')
}

function Name({ n, kind, name, wrong }) {
  const id = `name-${n}`
  const onInput = event => setDevice(n, { name: event.target.value })
  const known = calculator.names(table, kind)
  const says = { id, value: name, class: 'long', 'aria-invalid': wrong ? 'true' : undefined, 'aria-describedby': wrong ? `${id}-wrong` : undefined }
  return (
    <label>
      {kind === 'instance' ? 'Instance or family' : 'Model'}
      {kind === 'gpu' || kind === 'tpu'
        ? <select {...says} onChange={onInput}>{!known.includes(name) && <option value={name}>{name}</option>}{known.map(each => <option key={each} value={each}>{each}</option>)}</select>
        : <><input {...says} list={`list-${kind}`} autocomplete="off" spellcheck={false} onInput={onInput} /><Names kind={kind} names={known} /></>}
      {wrong && <span class="field-error" id={`${id}-wrong`}>{wrong}</span>}
    </label>
  )
}

const Names = ({ kind, names }) => <datalist id={`list-${kind}`}>{names.map(name => <option key={name} value={name} />)}</datalist>

function Field({ name, label, empty, short, wrong, value, onValue }) {
  return (
    <label class={short ? 'short' : ''}>
      {label}
      <input
        id={name} inputMode="decimal" autocomplete="off" value={value} placeholder={empty}
        aria-invalid={wrong ? 'true' : undefined} aria-describedby={wrong ? `${name}-wrong` : undefined}
        onInput={event => onValue(event.target.value)}
      />
      {wrong && <span class="field-error" id={`${name}-wrong`}>{wrong}</span>}
    </label>
  )
}

const chosen = () => table.places.find(({ code }) => code === form.value.place) ?? table.world

function Place({ wrong }) {
  const { place } = form.value
  const choose = name => {
    group.value = name
    set({ place: name ? inGroup(name)[0].code : '' })
  }
  const { name, g_per_kwh, carbon_free, year } = chosen()
  return (
    <>
      <div class="fields">
        <label>
          Where
          <select value={group.value} onChange={event => choose(event.target.value)}>
            {Object.entries(GROUPS).map(([code, title]) => <option key={code} value={code}>{title}</option>)}
          </select>
        </label>
        {group.value && (
          <label>
            Region
            <select id="place" class="long" value={place} aria-invalid={wrong.place ? 'true' : undefined} onChange={event => set({ place: event.target.value })}>
              {inGroup(group.value).map(each => <option key={each.code} value={each.code}>{each.name} ({each.code})</option>)}
            </select>
            {wrong.place && <span class="field-error">{wrong.place}</span>}
          </label>
        )}
      </div>
      <p class="note">
        {name}: {number(g_per_kwh)} g CO2e/kWh, {year ?? 'year not known'}.
        {carbon_free != null && ` The provider says that ${percent(carbon_free)} of this region’s electricity is carbon-free by the hour.`}
      </p>
      <Mix of={calculator.mixOf(table, chosen())} />
    </>
  )
}

// --- the result

function Result({ of }) {
  const { emissions_g, energy_j, embodied_g, water_l, offset, calculation } = of
  return (
    <Section id="result" title="The estimate">
      <div aria-live="polite">
        <Tiles>
          <Tile label="Emissions, CO2e" note={`90 % within ${massRange(emissions_g)}`}><span id="emissions">{mass(emissions_g.value)}</span></Tile>
          <Tile label="Electricity"><Energy figure={energy_j} /></Tile>
          <Tile label="Making the devices: their share" note={`${massRange(embodied_g)}; not in the figure beside it`}>{mass(embodied_g.value)}</Tile>
          {water_l > 0 && <Tile label="Water">{volume(water_l)}</Tile>}
        </Tiles>
      </div>
      <p id="calculation" class="calculation">{calculation.split('; ').map(step => <span key={step}>{step}</span>)}</p>
      {offset && (
        <p class="message">
          {offset.by === 'provider' ? 'The provider says that it offsets' : 'Offsets are bought for'} {calculator.plain(offset.share * 100)} %: {mass(offset.offset_g)}.
          Net of offsets, {mass(offset.net_g)}. {table.not_cancelled}
        </p>
      )}
      <Cleanest of={of} />
      <Bars
        label="Electricity by component"
        rows={Object.entries(of.components).map(([name, figure]) => ({
          key: name, label: COMPONENTS[name], value: figure.value, low: figure.low, high: figure.high, text: energy(figure.value), colour: name,
        }))}
      />
    </Section>
  )
}

function Cleanest({ of: { cleanest_of_provider: own, cleanest_of_all: all, emissions_g, place } }) {
  const text = best => `${best.name} (${best.code}), with ${mass(best.emissions_g)}${emissions_g.value > 0 ? `: ${difference(best.emissions_g / emissions_g.value)}` : ''}`
  return (
    <ul class="cleanest">
      {own && <li>{own.code === place.code ? 'This is the cleanest region of this provider.' : <>The cleanest region of this provider would be <b>{text(own)}</b>.</>}</li>}
      {all.code !== own?.code && <li>The cleanest of all clouds would be <b>{text(all)}</b>.</li>}
    </ul>
  )
}

const difference = ratio => (ratio < 1 ? `${percent(1 - ratio)} less` : `${number(ratio, 2)} times as much`)

function More({ of }) {
  return (
    <>
      <div class="pair">
        <Equivalents of={calculator.equivalents(table, of.emissions_g)} />
        <Sources of={of} />
      </div>
      <Elsewhere places={calculator.elsewhere(table, of)} here={of.emissions_g} note="The same electricity at each place’s mean of a year, with the same PUE." />
      <Section id="texts" title="For a paper, and to keep">
        <div class="pair">
          <Text name="LaTeX" text={of.latex} />
          <Text name="BibTeX" text={of.bibtex} />
          <Text
            name="Save as a run" text={calculator.command(of)}
            note="A page cannot write to your disk, and the board changes nothing. Run this command in a terminal: it keeps the estimate among your runs, where the board, the reports and comparisons have it like a measured one."
          />
          <Text name="A link that carries all of this" text={location.href} />
        </div>
      </Section>
    </>
  )
}

function Text({ name, text, note }) {
  return (
    <div>
      <h3>{name}</h3>
      {note && <p class="note">{note}</p>}
      <div class="text wrapped"><pre tabIndex={0} aria-label={name}>{text}</pre><Copy text={text} label="Copy" /></div>
    </div>
  )
}

function Sources({ of: { input, place, grid, pue } }) {
  const used = [...new Map(input.devices.map(({ kind, name }) => [`${kind} ${name}`, [kind, name]])).values()]
  return (
    <Section id="sources" title="Whose figures these are">
      <dl class="facts stacked">
        {used.map(([kind, name]) => {
          const row = calculator.find(table, kind, name)
          return <Fact key={`${kind} ${name}`} name={name} text={`${about(kind, row)}: ${row.source ?? table.sources[kind]}`} />
        })}
        {input.ram_gb > 0 && <Fact name="Memory" text={table.sources.memory} />}
        <Fact name="Use" text={table.sources.use} />
        <Fact
          name="Electricity"
          text={grid.basis === 'given' ? `${calculator.plain(grid.g_per_kwh)} g CO2e/kWh, as you gave it` : `${grid.name}, ${calculator.plain(grid.g_per_kwh)} g CO2e/kWh (${number(grid.low)}–${number(grid.high)}), ${grid.year ?? 'year not known'}, ${grid.basis}: ${grid.source}`}
        />
        <Fact name="PUE" text={`${calculator.plain(pue)}: ${input.pue === null ? place.pue_source : 'as you gave it'}`} />
      </dl>
      <p class="note">
        Is a device or a region missing, or a figure wrong? Each is a line of a table: <code>docs/how-to/calculator.md</code> says which, and the
        project takes it as an issue or a pull request.
      </p>
    </Section>
  )
}

const Fact = ({ name, text }) => <><dt>{name}</dt><dd>{text}</dd></>

// --- words

const ADVICE = [
  ['Choose the region.', 'Between the cleanest and the dirtiest lies a factor of 30 or more; the map has them all. Data protection and distance permitting, it costs nothing.'],
  ['Choose the provider and the hour.', 'Ask yours for hourly figures. carbonwatch when finds the hours in which the grid is cleanest.'],
  ['Search less.', 'Random or Bayesian search of hyperparameters finds as good a model as a grid in a part of the runs. Stop what does not learn.'],
  ['Train less.', 'Start from a model that is trained, use mixed precision, a smaller model, fewer epochs, and cache what is computed twice.'],
  ['Use what you reserve.', 'A board that waits for data draws a good part of its power: a profiler says what it waits for. Lower its power limit.'],
  ['Measure and report.', 'A measured figure is several times narrower than this one. Put it into the paper, with hardware, place and intensity.'],
  ['Offset last.', 'Offsets pay for something elsewhere. They do not undo what was emitted.'],
]

function Advice() {
  return (
    <Section id="advice" title="What to do about it">
      <ul class="cards">{ADVICE.map(([head, text]) => <li key={head}><b>{head}</b> {text}</li>)}</ul>
    </Section>
  )
}

const GLOSSARY = [
  ['CO2', 'Carbon dioxide, what burning coal, gas and oil gives off. A tonne of it fills a ball of ten metres.'],
  ['CO2e, CO2eq', 'CO2 equivalent: all greenhouse gases, each counted as the CO2 that would warm as much over 100 years.'],
  ['Carbon intensity, carbon efficiency', 'Grams of CO2e for each kilowatt-hour of electricity. Here over the whole life of the plants, if nothing else is said: fuel, building and running them.'],
  ['Renewable', 'Made from what does not run out: sun, wind, water, biomass. Low in CO2e, and not without any. Nuclear power is low in CO2e, and not renewable.'],
  ['REC', 'Renewable energy certificate: that a megawatt-hour was made from renewable energy, somewhere in the year. Whoever has one may have used other electricity at that hour.'],
  ['Offsetting', 'Paying for less emission, or for storing carbon, elsewhere. What was emitted stays emitted.'],
  ['Carbon neutral, net zero', 'Emissions less offsets are nothing. It says nothing about how large the emissions are.'],
  ['PUE', 'Power usage effectiveness: all power of a data centre over that of its machines. 1.1 is very good, 1.5 is usual.'],
  ['TDP', 'Thermal design power: what a device is rated for. It draws less when it is less than busy.'],
  ['Embodied', 'What making a device emitted. Here the share of these hours in a life of four years.'],
  ['90 %', 'The interval that holds nine of ten true values, as far as the tables can tell.'],
]

function Glossary() {
  return (
    <Section id="glossary" title="Words">
      <dl class="facts stacked">{GLOSSARY.map(([word, text]) => <Fact key={word} name={word} text={text} />)}</dl>
    </Section>
  )
}

show(<Calculator />)
