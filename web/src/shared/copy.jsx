// A button that puts text into the clipboard and says so.

import { useState } from 'preact/hooks'

export function Copy({ text, label = 'Copy' }) {
  const [said, say] = useState('')
  const copy = async () => {
    say((await copied(text)) ? 'Copied' : 'Select the text and copy it')
    setTimeout(() => say(''), 2500)
  }
  return (
    <button type="button" class="quiet" onClick={copy}>
      <span aria-live="polite">{said || label}</span>
    </button>
  )
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copiedByHand(text)
  }
}

/** As it was done before there was a clipboard for pages: one opened from the disk may have none. */
function copiedByHand(text) {
  const area = Object.assign(document.createElement('textarea'), { value: text })
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  return done
}
