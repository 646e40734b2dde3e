// Where the reader is: what follows # in the address, so that a page needs no server to have several views.

import { signal } from '@preact/signals'

export const route = signal(read())

addEventListener('hashchange', () => {
  const former = route.value
  route.value = read()
  if (former.path !== route.value.path) {
    scrollTo(0, 0)
    document.getElementById('main')?.focus({ preventScroll: true })
  }
})

/** The address of a view: link('run', {id: '019a'}) is #run?id=019a. */
export function link(path, words = {}) {
  const given = Object.entries(words).filter(([, value]) => value !== '' && value != null)
  return `#${path}${given.length ? `?${new URLSearchParams(given)}` : ''}`
}

export function go(path, words, { replace = false } = {}) {
  const address = link(path, words)
  if (!replace) location.hash = address
  else {
    try {
      history.replaceState(null, '', address)
    } catch {
      // Safari allows a hundred in half a minute: the address stays behind, the view does not
    }
    route.value = read(address)
  }
}

function read(address = location.hash) {
  const [path, words = ''] = address.replace(/^#/, '').split(/\?(.*)/s)
  return { path, words: Object.fromEntries(new URLSearchParams(words)) }
}
