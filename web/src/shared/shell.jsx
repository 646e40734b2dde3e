// The frame of every page: its name, where it leads to, dark or light.

import { render } from 'preact'
import { theme, toggleTheme } from './theme.js'

/** links: [{href, label, current?}] */
export function Shell({ title, href, links = [], children, foot }) {
  return (
    <>
      <a class="skip" href="#main" onClick={toMain}>Skip to the content</a>
      <header class="top">
        <a class="brand" href={href ?? '#'}><Leaf />{title}</a>
        <nav aria-label="Pages">
          {links.map(link => (
            <a key={link.href} href={link.href} aria-current={link.current ? 'page' : undefined}>{link.label}</a>
          ))}
        </nav>
        <button type="button" class="quiet" onClick={toggleTheme} aria-pressed={theme.value === 'dark'}>Dark</button>
      </header>
      <main id="main" tabIndex={-1}>{children}</main>
      <footer>{foot}</footer>
    </>
  )
}

/** Puts a page into the document. */
export function show(page) {
  render(page, document.getElementById('page'))
}

/** What the file that is open carries with it; null on a page that is served. */
export function carried() {
  const data = document.getElementById('data')
  return data && JSON.parse(data.textContent)
}

// the address after # belongs to the page that is shown
function toMain(event) {
  event.preventDefault()
  document.getElementById('main').focus()
}

function Leaf() {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M4 20C4 10 10 4 20 4c0 10-6 16-16 16Zm0 0 8-8" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" />
    </svg>
  )
}
