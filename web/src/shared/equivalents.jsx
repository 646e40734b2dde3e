// Emissions as other things that emit as much, with whose figures these are.

import { Section } from './figures.jsx'
import { number, plain } from './format.js'
import { Table } from './table.jsx'

export function Equivalents({ of }) {
  const rows = of.filter(row => row.amount.value != null)
  if (!rows.length) return null
  return (
    <Section id="equivalents" title="As much as">
      <Table
        caption="Things that emit as much"
        rowKey={row => row.key}
        columns={[
          { key: 'amount', title: 'Amount', right: true, cell: row => number(row.amount.value) },
          { key: 'label', title: 'of', kind: 'wide', cell: row => <Thing row={row} /> },
          ...(rows.some(row => ranged(row.amount)) ? [{ key: 'range', title: '90 %', right: true, cell: row => ranged(row.amount) }] : []),
        ]}
        rows={rows}
      />
    </Section>
  )
}

function Thing({ row }) {
  return <>{plain(row.label)}<br /><small>{number(Number(row.grams_co2e))} {row.unit}: {plain(row.source)}, {row.year}</small></>
}

const ranged = ({ low, high }) => (low == null || low === high ? '' : `${number(low)}–${number(high)}`)
