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
  if (!replace) location.hash = link(path, words)
  else {
    history.replaceState(null, '', link(path, words))
    route.value = read()
  }
}

function read() {
  const [path, words = ''] = location.hash.replace(/^#/, '').split(/\?(.*)/s)
  return { path, words: Object.fromEntries(new URLSearchParams(words)) }
}
