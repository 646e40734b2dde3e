// A table whose columns can be sorted. It sorts what it has, or asks for another order where there is more than it has.

import { useState } from 'preact/hooks'

/**
 * columns: [{key, title, cell(row), sort(row)?, right?, kind?}]; without `sort` a column stays as it is.
 * kind: wide, named (a name or two), tight (on one line) or clipped (one line, cut). order and onOrder: {key, down}, where somebody else sorts; else `first` is the order to begin with.
 */
export function Table({ caption, columns, rows, order, onOrder, first, rowKey = row => row.id, empty = 'Nothing here.' }) {
  const [own, setOwn] = useState(first)
  const now = onOrder ? order : own
  const choose = onOrder ?? setOwn
  const column = columns.find(({ key }) => key === now?.key)
  const shown = onOrder || !column?.sort ? rows : sorted(rows, column.sort, now.down)
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>{columns.map(each => <Head key={each.key} column={each} now={now} choose={choose} />)}</tr>
        </thead>
        <tbody>
          {shown.map(row => (
            <tr key={rowKey(row)}>
              {columns.map(({ key, cell, kind, right }) => (
                <td key={key} class={right ? 'right' : kind}>{cell(row)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {!rows.length && <p class="empty">{empty}</p>}
    </div>
  )
}

function Head({ column, now, choose }) {
  const { key, title, sort, right, label } = column
  const sortedBy = now?.key === key
  const direction = sortedBy ? (now.down ? 'descending' : 'ascending') : undefined
  if (!sort) return <th scope="col" class={right ? 'right' : ''}>{title || <span class="hidden">{label}</span>}</th>
  return (
    <th scope="col" class={right ? 'right' : ''} aria-sort={direction}>
      <button type="button" onClick={() => choose({ key, down: sortedBy ? !now.down : !!right })}>
        {title}
        <span class="arrow" aria-hidden="true">{sortedBy ? (now.down ? '▼' : '▲') : '↕'}</span>
      </button>
    </th>
  )
}

/** What is not known comes last, whichever way it is sorted. */
function sorted(rows, value, down) {
  const sign = down ? -1 : 1
  return [...rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)]
    if (a == null || b == null) return (a == null) - (b == null)
    return sign * (typeof a === 'string' ? a.localeCompare(b) : a - b)
  })
}
