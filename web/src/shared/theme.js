// Dark or light: as the system has it, until the reader chooses.

import { effect, signal } from '@preact/signals'

const KEY = 'carbonwatch-theme'
const wantsDark = matchMedia('(prefers-color-scheme: dark)')

export const theme = signal(chosen() ?? ofSystem())

wantsDark.addEventListener('change', () => {
  if (!chosen()) theme.value = ofSystem()
})
effect(() => {
  document.documentElement.dataset.theme = theme.value
})

export function toggleTheme() {
  theme.value = theme.value === 'dark' ? 'light' : 'dark'
  try {
    localStorage.setItem(KEY, theme.value)
  } catch {
    // a page opened from the disk may not be allowed to keep anything
  }
}

/** What a CSS variable holds now, for what is drawn on a canvas. */
export const token = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

function ofSystem() {
  return wantsDark.matches ? 'dark' : 'light'
}

function chosen() {
  try {
    const kept = localStorage.getItem(KEY)
    return kept === 'dark' || kept === 'light' ? kept : null
  } catch {
    return null
  }
}
