// Spans over time, one line each: tasks of a run, or when a meter could not be read.

import { duration } from './format.js'

/** spans: [{key, label, depth?, pieces: [{start_s, duration_s}], text, colour?}], seconds from `start_s` on. */
export function Timeline({ label, start_s, duration_s, spans }) {
  const percent = seconds => `${Math.min(100, Math.max(0, (seconds / (duration_s || 1)) * 100))}%`
  return (
    <div class="timeline">
      <ul aria-label={label}>
        {spans.map(({ key, label: name, depth = 0, pieces, text, colour = 'accent' }) => (
          <li key={key}>
            <span class="name" style={{ paddingLeft: `${depth}em` }}>{name}</span>
            <span class="track" aria-hidden="true">
              {pieces.map(piece => (
                <i
                  key={piece.start_s}
                  style={{
                    left: percent(piece.start_s - start_s), width: percent(piece.duration_s), background: `var(--${colour})`,
                  }}
                />
              ))}
            </span>
            <span class="amount">{text}</span>
          </li>
        ))}
      </ul>
      <p class="axis" aria-hidden="true"><span>0</span><span>{duration(duration_s / 2)}</span><span>{duration(duration_s)}</span></p>
    </div>
  )
}
